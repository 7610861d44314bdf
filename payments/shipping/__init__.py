"""Shipping information (发货信息) of payments that a mini-program's platform holds back.

Always true: a payment that has to be told is a row before anybody is asked, one for each payment.
What was told completely is told anew once at most, which the database counts. Where an answer was
lost, the platform is asked what it has before it is told again: to repeat would be the correction.
"""
