// A code by the camera: WeChat's own scanner inside WeChat, else the browser's reader of codes.
// Whichever is there makes the button visible; where neither is, the field is typed into as before.

// What customers show: a square code, or the bar code above it.
const FORMATS = ['qr_code', 'code_128']
const EVERY = 150

let wechat = false

const show = () => document.documentElement.classList.add('can-scan')

export const prepare = async (button) => {
  if (!button) return
  if (button.dataset.sdk) await fromWechat(button).catch(() => {})
  if (wechat || (await hasReader())) show()
}

export const scan = (button, say) => {
  const field = button.form.elements[button.dataset.scan]
  const take = (text) => {
    field.value = text
    button.form.requestSubmit()
  }
  if (wechat) askWechat(take, say)
  else look(take, say)
}

// WeChat puts the kind of a bar code before it ("CODE_128,13…"); a square code comes as it is.
export const plain = (text) => text.replace(/^(CODE|EAN|UPC|ITF|CODABAR)[_A-Z0-9]*,/, '')

const load = (address) =>
  new Promise((done, failed) => {
    const script = document.createElement('script')
    Object.assign(script, { src: address, onload: done, onerror: failed })
    document.head.append(script)
  })

const fromWechat = async (button) => {
  const page = encodeURIComponent(location.pathname + location.search)
  const [signed] = await Promise.all([
    fetch(`${button.dataset.signature}?page=${page}`).then((answer) => (answer.ok ? answer.json() : Promise.reject(answer))),
    load(button.dataset.sdk),
  ])
  const { wx } = window
  await new Promise((done, failed) => {
    wx.error(failed)
    wx.ready(done)
    wx.config({ ...signed, jsApiList: ['scanQRCode'] })
  })
  wechat = true
}

const askWechat = (take, say) =>
  window.wx.scanQRCode({
    needResult: 1,
    scanType: ['qrCode', 'barCode'],
    success: ({ resultStr }) => take(plain(resultStr)),
    fail: () => say('微信没有打开扫一扫，输入码下面的数字'),
  })

const hasReader = async () => {
  if (!window.BarcodeDetector || !navigator.mediaDevices?.getUserMedia) return false
  if (document.featurePolicy && !document.featurePolicy.allowsFeature('camera')) return false
  const known = await window.BarcodeDetector.getSupportedFormats().catch(() => [])
  return known.includes('qr_code')
}

const look = async (take, say) => {
  let stream
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } })
  } catch {
    return say('打不开相机，看看浏览器有没有允许；也可以输入码下面的数字')
  }
  const known = await window.BarcodeDetector.getSupportedFormats()
  const reader = new window.BarcodeDetector({ formats: FORMATS.filter((one) => known.includes(one)) })
  const dialog = document.createElement('dialog')
  dialog.className = 'finder'
  dialog.setAttribute('aria-label', '用相机扫')
  const video = Object.assign(document.createElement('video'), { muted: true, playsInline: true, srcObject: stream })
  const close = Object.assign(document.createElement('button'), { type: 'button', className: 'btn btn-plain btn-lg w-100', textContent: '不扫了' })
  const words = Object.assign(document.createElement('p'), { className: 'small muted text-center mb-2', textContent: '对准码，读到会自己提交' })
  dialog.append(video, words, close)
  document.body.append(dialog)
  close.addEventListener('click', () => dialog.close())
  const off = () => stream.getTracks().forEach((track) => track.stop())
  dialog.addEventListener('close', off)
  addEventListener('pagehide', off, { once: true })
  dialog.showModal()
  await video.play().catch(() => {})
  while (dialog.open) {
    // A frame that cannot be read yet, the camera still waking up, is no code.
    const [found] = await reader.detect(video).catch(() => [])
    if (found && dialog.open) {
      dialog.close()
      return take(found.rawValue)
    }
    await new Promise((next) => setTimeout(next, EVERY))
  }
}
