"""api.weixin.qq.com, open.weixin.qq.com and mp.weixin.qq.com, as far as a shop meets them."""
