/// <reference types="vite/client" />
interface ImportMetaEnv {
  /** https address of the shop's server, in the WeChat package; see .env.example. */
  readonly VITE_API_BASE?: string
}
