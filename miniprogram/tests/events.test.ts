import { beforeEach, expect, test, vi } from 'vitest'
import { enter } from '@/api/client'
import { allow, note, tell } from '@/lib/events'
import { platform } from '@platform'
import { fakeUni } from './fake'

let phone: ReturnType<typeof fakeUni>
const fine = { statusCode: 200, data: { recorded: 1 } }
const batches = () => phone.sent.filter(({ url }) => url.endsWith('/events')).map(({ data }) => (data as { events: { id: string; kind: string }[] }).events)

beforeEach(async () => {
  vi.useFakeTimers()
  phone = fakeUni()
  vi.spyOn(platform, 'ready').mockResolvedValue({ appid: 'wx1', apiBase: '', frame: {} as never })
  vi.spyOn(platform, 'login').mockResolvedValue('code')
  phone.replies.push({ statusCode: 201, data: { token: 'first' } })
  await enter(true)
  phone.sent.length = 0
  allow(true)
})

test('what was looked at is told together, after a while or when there is enough', async () => {
  phone.replies.push(fine, fine)
  note('opened', { page: 'menu' })
  note('viewed', { product_id: '7' })
  expect(batches()).toEqual([])
  await vi.advanceTimersByTimeAsync(10_000)
  expect(batches().map((batch) => batch.map(({ kind }) => kind))).toEqual([['opened', 'viewed']])
  for (let n = 0; n < 20; n++) note('viewed')
  await vi.advanceTimersByTimeAsync(0)
  expect(batches()[1]).toHaveLength(20)
})

test('a batch whose answer was lost is told again under the same names', async () => {
  phone.replies.push(new Error('request:fail timeout'), fine)
  note('carted', { product_id: '7' })
  await tell()
  note('shared')
  await tell()
  const [lost, again] = batches()
  expect(again!.map(({ id }) => id).slice(0, 1)).toEqual(lost!.map(({ id }) => id))
  expect(again).toHaveLength(2)
  await tell()
  expect(batches()).toHaveLength(2)
})

test('a refused batch is not told for ever', async () => {
  phone.replies.push({ statusCode: 422, data: { code: 'invalid' } })
  note('viewed')
  await tell()
  await tell()
  expect(batches()).toHaveLength(1)
})

test('nothing is kept of whoever switched recommendations off', async () => {
  note('viewed')
  allow(false)
  note('viewed')
  await tell()
  expect(batches()).toEqual([])
})

test('a long time without a net does not fill the phone', async () => {
  for (let n = 0; n < 300; n++) {
    phone.replies.push(new Error('request:fail'))
    note('viewed', { n })
  }
  await vi.advanceTimersByTimeAsync(60_000)
  expect(JSON.parse(phone.kept.get([...phone.kept.keys()].find((key) => key.includes('events'))!)!)).toHaveLength(200)
})
