"""Gates: limits with stated error rates, by which a run, or two of them, are judged."""
