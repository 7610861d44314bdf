"""api.mch.weixin.qq.com: WeChat Pay v3 with its signatures, ciphers, states and notifications."""
