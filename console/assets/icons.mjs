// One sprite with only the icons that templates name: {{ icon("receipt") }}. An unknown one fails the build.
import fs from 'node:fs'
import path from 'node:path'

const walk = (dir) =>
  fs.readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const full = path.join(dir, entry.name)
    return entry.isDirectory() ? walk(full) : full
  })
const names = new Set()
for (const file of walk('templates')) {
  for (const found of fs.readFileSync(file, 'utf8').matchAll(/icon\("([a-z0-9-]+)"/g)) names.add(found[1])
}
const symbols = [...names].sort().map((name) => {
  const svg = fs
    .readFileSync(`node_modules/@tabler/icons/icons/outline/${name}.svg`, 'utf8')
    .replace(/<!--[\s\S]*?-->/g, '')
  const shapes = svg.slice(svg.indexOf('>', svg.indexOf('<svg')) + 1, svg.lastIndexOf('</svg>'))
  return `<symbol id="${name}" viewBox="0 0 24 24">${shapes.replace(/\s*\n\s*/g, '')}</symbol>`
})
fs.writeFileSync('static/dist/icons.svg', `<svg xmlns="http://www.w3.org/2000/svg">${symbols.join('')}</svg>`)
console.log(names.size, 'icons')
