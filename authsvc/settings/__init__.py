"""The groups of settings, by area. `authsvc.config` joins and reads them."""
