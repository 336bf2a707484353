"""What vector machines share: lanes side by side."""
