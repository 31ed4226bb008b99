"""The fault proxy: Toxiproxy's API on one epoll loop, seeded, counted, and never waiting."""
