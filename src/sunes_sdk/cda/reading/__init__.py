"""What a received document says: its body as sections, and each kind of document as the model it was written from."""
