"""Verifiers of what hardware says of an enclave; nothing here uses the network.

- Evidence: a report, a document or a quote, with certificates and collateral beside it.
- Binding: what the enclave had to put into its evidence for this one channel.
- Measurement: the digest of what was started.
- Root: a vendor's certificate; it comes with the package, and its fingerprint is in the code.
- TCB: the versions of the platform's own parts.
"""
