"""What Earshot's functions share: a pure core that decides, and thin adapters that act.

Read in this order: `naming` (who is called what), `ingest` (the fate of a dropped file), `debounce` (when a run
starts), `dataset` (what is in it), `run` (the run's state machine), `gates` (may the model go out), then the release:
`bundle`, `c_array`, `modustoolbox`, `model_image`, `job_document`, `release`. Adapters, which alone touch AWS:
`storage`, `table`, `jobs`, `endpoint`, `schedule`, `signer`, `announce`.
"""
