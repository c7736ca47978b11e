"""Access tokens: the keyring that signs them, and their verification (RFC 7519, 8725, 9068)."""
