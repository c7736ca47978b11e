"""authsvc: tells services over gRPC whether a credential is good, whose it is, what it may do."""
