"""One device: the loop, the queue, the pipeline that composes the networks. Knows no HTTP."""
