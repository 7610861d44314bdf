import * as echarts from 'echarts/core'
import { BarChart, LineChart } from 'echarts/charts'
import { AriaComponent, GridComponent, MarkLineComponent, TooltipComponent } from 'echarts/components'
import { CanvasRenderer } from 'echarts/renderers'
echarts.use([
  BarChart,
  LineChart,
  AriaComponent,
  GridComponent,
  MarkLineComponent,
  TooltipComponent,
  CanvasRenderer,
])

const ink = '#545f63',
  faint = '#5e696d',
  line = '#e5e4df',
  font = getComputedStyle(document.body).fontFamily
const palette = ['#0f5f63', '#e07b39', '#5b8db8', '#8aa65a', '#8c6a9e', '#c9b27c'],
  control = '#c6cbca'
const axis = {
  axisLine: { lineStyle: { color: line } },
  axisTick: { show: false },
  axisLabel: { color: faint, fontSize: 12 },
  splitLine: { lineStyle: { color: line } },
}
const base = {
  color: palette,
  animation: !matchMedia('(prefers-reduced-motion: reduce)').matches && !document.body.dataset.still,
  textStyle: { fontFamily: font },
  aria: { enabled: true },
  grid: { left: 4, right: 8, top: 16, bottom: 0, containLabel: true },
  // richText: the HTML tooltip writes style="" and a strict style-src forbids it
  tooltip: {
    renderMode: 'richText',
    trigger: 'axis',
    backgroundColor: '#fff',
    borderColor: line,
    textStyle: { color: '#1b2427', fontSize: 12 },
    axisPointer: { type: 'shadow', shadowStyle: { color: 'rgba(27,36,39,.05)' } },
  },
}
const short = (n) => (Math.abs(n) >= 10000 ? n / 10000 + '万' : n)
// The server names a kind and sends numbers; looks live here, once.
const kinds = {
  bars: (d) => ({
    xAxis: { type: 'category', data: d.x, ...axis, splitLine: { show: false } },
    yAxis: {
      type: 'value',
      ...axis,
      axisLine: { show: false },
      splitNumber: 4,
      axisLabel: { ...axis.axisLabel, formatter: short },
    },
    series: d.series.map((s) => ({
      type: s.line ? 'line' : 'bar',
      name: s.name,
      data: s.data,
      barMaxWidth: 22,
      barGap: '20%',
      symbol: 'none',
      smooth: 0.2,
      itemStyle: { color: s.control ? control : undefined, borderRadius: [3, 3, 0, 0] },
      lineStyle: { width: 1.5, type: 'dashed', color: '#98a1a4' },
      z: s.line ? 3 : 2,
    })),
  }),
  lines: (d) => ({
    xAxis: {
      type: 'category',
      data: d.x,
      boundaryGap: false,
      ...axis,
      splitLine: { show: false },
      axisLabel: { ...axis.axisLabel, interval: d.every ?? 'auto' },
    },
    yAxis: {
      type: 'value',
      scale: true,
      ...axis,
      axisLine: { show: false },
      splitNumber: 3,
      min: d.min,
      max: d.max,
      interval: d.step,
      axisLabel: { ...axis.axisLabel, formatter: d.unit ? '{value}' + d.unit : short },
    },
    tooltip: { ...base.tooltip, axisPointer: { type: 'line', lineStyle: { color: line } } },
    series: d.series.map((s) => ({
      type: 'line',
      name: s.name,
      data: s.data,
      symbol: 'circle',
      symbolSize: 5,
      showSymbol: false,
      lineStyle: {
        width: s.control ? 1.5 : 2,
        type: s.control ? 'dashed' : 'solid',
        color: s.control ? '#98a1a4' : undefined,
      },
      itemStyle: { color: s.control ? '#98a1a4' : undefined },
      areaStyle: s.area ? { opacity: 0.08 } : undefined,
      markLine: s.mark
        ? {
            silent: true,
            symbol: 'none',
            label: {
              formatter: s.mark.label,
              color: ink,
              fontSize: 11,
              position: 'end',
              rotate: 0,
              distance: 2,
            },
            lineStyle: { color: '#98a1a4', type: 'dashed' },
            data: [{ xAxis: s.mark.x }],
          }
        : undefined,
      endLabel: { show: !!s.end, formatter: (p) => s.end, color: ink, fontSize: 12 },
    })),
    grid: { ...base.grid, top: 24, right: d.right ?? 16 },
  }),
}
const sized = new ResizeObserver((changed) => {
  for (const { target } of changed) echarts.getInstanceByDom(target)?.resize()
})
let drawn = []
const draw = (look) => {
  for (const el of drawn.filter((each) => !each.isConnected)) {
    sized.unobserve(el)
    echarts.dispose(el)
  }
  drawn = [...document.querySelectorAll('[data-chart]')]
  for (const el of drawn.filter((each) => !echarts.getInstanceByDom(each))) {
    const data = JSON.parse(document.getElementById(el.dataset.chart).textContent)
    echarts.init(el).setOption({ ...base, ...look, ...kinds[data.kind](data) })
    sized.observe(el)
  }
}
draw({})
// A part of a page that came anew brings its charts along; they stand there without growing up.
document.addEventListener('htmx:after:swap', () => draw({ animation: false }))
