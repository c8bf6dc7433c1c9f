"""Long runs that try to break what SAFETY promises. docs/campaigns.md has the last figures."""
