/** What is sold for later, in the customer's words. */
import type { Plan } from '@/api'
import { yuan } from './money'

/** Under its name. */
export function says(plan: Plan): string {
  if (plan.kind === 'top_up') return plan.bonus_fen ? `到账 ${yuan(plan.price_fen + plan.bonus_fen)}` : '充多少是多少'
  if (plan.kind === 'pass') return `能用 ${plan.uses} 次，合 ${yuan(Math.round(plan.price_fen / plan.uses))} 一次`
  return `管 ${plan.days} 天`
}

/** What one gets, a line each; a top-up says it all in its own row. */
export function gains(plan: Plan): string[] {
  if (plan.kind === 'top_up') return []
  const lines = plan.kind === 'pass' ? [`${plan.uses} 次，每次出示券码核销一次`] : plan.coupons ? [`每 30 天 ${plan.coupons} 张${plan.coupon_text.split(' · ')[0]}`] : []
  const condition = plan.coupon_text.split(' · ')[1]
  if (condition) lines.push(condition)
  return plan.benefits ? [...lines, plan.benefits] : lines
}

/** What its coupons take off, beside what it costs; undefined where they do not come to more. */
export function saved(plan: Plan): { words: string; fen: number } | undefined {
  const fen = plan.worth_fen - plan.price_fen
  if (plan.kind === 'top_up' || fen <= 0) return undefined
  return { words: plan.kind === 'pass' ? `${plan.uses} 次共抵 ${yuan(plan.worth_fen)}` : `${plan.coupons} 张券共抵 ${yuan(plan.worth_fen)}`, fen }
}

/** The sentence that has to be read before paying, and the rest. */
export const RULES: Record<Plan['kind'], { first: string; rest: string }> = {
  top_up: { first: '点单时直接用余额付，先用本金再用赠送。', rest: '想退随时可以：退没用掉的本金，赠送按比例收回。' },
  membership: { first: '到期自动停，不会自动续费。', rest: '想退找门店：用掉、过期的券按份扣下，其余原路退回，退了就停。' },
  pass: { first: '付完在券包里，到店出示，核销一次少一次。', rest: '想退找门店：用掉几次按份扣下，其余原路退回。' },
}
