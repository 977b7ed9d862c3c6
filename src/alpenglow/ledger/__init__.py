"""Who may ask, and what it cost them: accounts, hashed tokens, reservations and charges in SQLite or PostgreSQL.

The only room with SQL in it. Knows amounts (integers, millionths of a neuron) but no prices, and no HTTP.
"""
