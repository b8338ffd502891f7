"""What runs may ask of this machine: a file of its administrator, which ASSAY_POLICY names."""
