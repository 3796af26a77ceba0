"""Accepts referrals and answers the referrer's questions about them."""
