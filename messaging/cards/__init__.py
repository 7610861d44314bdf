"""Service cards (服务卡片): WeChat's own card of a paid order, brought up to date as it moves.

Always true: a card is a row before WeChat is asked, found by the transaction of the payment. It
only goes forward, whatever order the jobs come in. WeChat takes a step once: where it refuses what
we may have said before, it is asked what it shows. A card speaks of its order and of nothing else:
it is no channel, no verb here takes anything but an order's progress, and adverts in goods' names
keep it away.
"""
