"""Profit sharing: the platform's commission and others' shares leave a merchant's own payment.

Only payments made through a service provider under the merchant's own number can be shared. Each is
held back by the channel, shared on the next day, and what is left is released to the merchant. A
refund before that makes the parts smaller; after it the receivers give their part back first.
"""
