"""L8: fakes of the national services, a test PKI, sample people. Public, documented, versioned API."""
