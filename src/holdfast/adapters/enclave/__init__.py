"""A model behind a channel that was made with an attested enclave.

- *Enclave*: whatever answers at the other end: a confidential machine, or a process.
- *Evidence*: what it says of itself; *verifier*: who can tell whether that is true.
- *Handshake*: challenge, evidence bound to the channel's key, a wrapped secret.
- *Channel*: the keys of both directions and the numbers of their frames.
- *Line*: a channel over a stream of bytes.
- *Kept key*: the model's key where the enclave was handed it, and keeps it sealed.
- *Root*: what sealing keys are derived from; the hardware's, or a simulated enclave's file.
- *Count*: version and digest of a kept key; the *counter* says it on the enclave's side,
  the *anchor* on the client's.
- *Simulated*: a process of its own without hardware that vouches for it.
"""
