"""Language models: request and reply types, wire formats, the call store, the client."""
