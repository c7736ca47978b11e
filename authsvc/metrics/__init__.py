"""The numbers of this service in Prometheus' formats. Only this package knows the library for it.

Nothing is counted here but calls: the parts of the service keep plain numbers about themselves, and
`authsvc.composition` reads them when they are asked for. May depend on `domain`.
"""
