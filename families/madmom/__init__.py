"""madmom's recurrent networks of beats and downbeats, from a madmom that the user installed."""
