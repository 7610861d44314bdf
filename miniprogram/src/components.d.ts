/** Our components, found by name (easycom in pages.json): declared here so that their props are checked. */
type Linli = {
  LAllow: typeof import('./components/l-allow.vue')['default']
  LAgreement: typeof import('./components/l-agreement.vue')['default']
  LBalance: typeof import('./components/l-balance.vue')['default']
  LEmpty: typeof import('./components/l-empty.vue')['default']
  LError: typeof import('./components/l-error.vue')['default']
  LGoods: typeof import('./components/l-goods.vue')['default']
  LIcon: typeof import('./components/l-icon.vue')['default']
  LNav: typeof import('./components/l-nav.vue')['default']
  LNotice: typeof import('./components/l-notice.vue')['default']
  LOutside: typeof import('./components/l-outside.vue')['default']
  LPage: typeof import('./components/l-page.vue')['default']
  LPic: typeof import('./components/l-pic.vue')['default']
  LPrice: typeof import('./components/l-price.vue')['default']
  LQr: typeof import('./components/l-qr.vue')['default']
  LSheet: typeof import('./components/l-sheet.vue')['default']
  LStepper: typeof import('./components/l-stepper.vue')['default']
  LTabbar: typeof import('./components/l-tabbar.vue')['default']
  LTill: typeof import('./components/l-till.vue')['default']
  LTicket: typeof import('./components/l-ticket.vue')['default']
}

declare module 'vue' {
  interface GlobalComponents extends Linli {}
}

export {}
