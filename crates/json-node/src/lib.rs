//! The stdio node: JSON messages in, rehearsed answers out.
