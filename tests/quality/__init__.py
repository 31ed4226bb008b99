"""Who tests the tests? Healthy targets are left alone, planted defects are caught and rightly named."""
