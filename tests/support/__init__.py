"""What tests share: writing TFLite files, running the oracle, comparing."""
