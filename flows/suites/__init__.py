"""Many models, many nights: suites, their leaderboard, and what changed since the last one."""
