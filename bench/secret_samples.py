"""Made-up keys of many providers, in the places where keys turn up.

Written from what providers publish of the form of their keys; it shares no code
and no data with the rules that are measured by it. Every value is random; none was
ever a key. The providers whose name's digest is even are held out: nobody looks at
what is missed of them when a rule is written.

A form is plain text with pieces in braces: a letter for the alphabet and a length.
a letters and digits, l small letters and digits, u capitals and digits, h hex,
H capital hex, d digits, w base64url, b base64, c capitals; {uuid} is a UUID.
"""

from __future__ import annotations

import hashlib
import random
import re
import string
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

_HEX = "0123456789abcdef"
_ALPHABETS = {
    "a": string.ascii_letters + string.digits,
    "l": string.ascii_lowercase + string.digits,
    "u": string.ascii_uppercase + string.digits,
    "c": string.ascii_uppercase,
    "h": _HEX,
    "H": _HEX.upper(),
    "d": string.digits,
    "w": string.ascii_letters + string.digits + "-_",
    "b": string.ascii_letters + string.digits + "+/",
}
_PIECE = re.compile(r"\{(?:([aluchHdwb])(\d+)|uuid)\}")

# Keys that can be told by their form.
TOLD = """
github ghp_{a36}
github oauth gho_{a36}
github fine github_pat_{a22}_{a59}
gitlab glpat-{w20}
gitlab runner glrt-{w20}
aws AKIA{u16}
google AIza{w35}
google oauth GOCSPX-{w28}
slack xoxb-{d12}-{d13}-{a24}
slack user xoxp-{d12}-{d12}-{d13}-{h32}
slack app xapp-1-A{u10}-{d13}-{h64}
slack webhook https://hooks.slack.com/services/T{u8}/B{u10}/{a24}
stripe sk_live_{a24}
stripe restricted rk_live_{a24}
stripe webhook whsec_{a32}
openai sk-{a20}T3BlbkFJ{a20}
openai project sk-proj-{w80}
anthropic sk-ant-api03-{w93}AA
huggingface hf_{a34}
groq gsk_{a52}
replicate r8_{a37}
perplexity pplx-{a48}
xai xai-{a80}
nvidia nvapi-{w64}
openrouter sk-or-v1-{h64}
langsmith lsv2_pt_{h32}_{h10}
langfuse sk-lf-{uuid}
e2b e2b_{h40}
tavily tvly-{a32}
pinecone pcsk_{a6}_{a63}
npm npm_{a36}
pypi pypi-AgEIcHlwaS5vcmc{w70}
rubygems rubygems_{h48}
nuget oy2{l43}
docker dckr_pat_{w27}
artifactory AKCp{a69}
clojars CLOJARS_{l60}
crates cio{a32}
digitalocean dop_v1_{h64}
heroku HRKU-AA{w58}
fly fo1_{w43}
netlify nfp_{a36}
render rnd_{a32}
tailscale tskey-auth-{a12}-{a32}
supabase sbp_{h40}
planetscale pscale_pw_{w43}
planetscale token pscale_tkn_{w43}
databricks dapi{h32}
dbt dbtc_{a40}
airtable pat{a14}.{h64}
notion ntn_{d11}{a35}
notion old secret_{a43}
linear lin_api_{a40}
figma figd_{w40}
clickup pk_{d8}_{u32}
trello ATTA{h64}
atlassian ATATT3xFfGF0{w180}={H8}
bitbucket ATBB{a32}
hubspot pat-na1-{uuid}
typeform tfp_{w40}
contentful CFPAT-{w43}
doppler dp.pt.{a43}
vault hvs.{w24}
vault long hvs.CAESI{w90}
terraform {a14}.atlasv1.{w67}
pulumi pul-{h40}
infracost ico-{a32}
onepassword ops_eyJ{w300}
age AGE-SECRET-KEY-1{u58}
grafana glsa_{a32}_{h8}
grafana cloud glc_{b60}=
newrelic NRAK-{u27}
newrelic licence {h36}NRAL
sentry sntryu_{h64}
dynatrace dt0c01.{u24}.{u64}
posthog phx_{a43}
launchdarkly sdk-{uuid}
sonarqube squ_{h40}
buildkite bkua_{h40}
circleci CCIPAT_{a22}_{h40}
postman PMAK-{h24}-{h34}
readme rdme_{l70}
mapbox sk.eyJ{w80}.{w22}
sendgrid SG.{w22}.{w43}
mailgun key-{h32}
mailchimp {h32}-us12
brevo xkeysib-{h64}-{a16}
resend re_{a8}_{a24}
klaviyo pk_{h34}
twilio SK{h32}
telnyx KEY{H32}_{a22}
telegram {d10}:AA{w33}
discord M{a23}.{w6}.{w38}
discord webhook https://discord.com/api/webhooks/{d18}/{w68}
shopify shpat_{h32}
square sq0atp-{w22}
square secret sq0csp-{w43}
square production EAAA{w60}
paypal access_token$production${l16}${h32}
plaid access-production-{uuid}
razorpay rzp_live_{a14}
flutterwave FLWSECK-{h32}-X
mollie live_{a30}
lob live_{h35}
easypost EZAK{a54}
shippo shippo_live_{h40}
duffel duffel_live_{w43}
xendit xnd_production_{a48}
midtrans Mid-server-{w24}
mercadopago APP_USR-{d16}-{d6}-{h32}-{d9}
adafruit aio_{a28}
alibaba LTAI{a20}
tencent AKID{a32}
yandex AQVN{w36}
scaleway SCW{u17}
openshift sha256~{w43}
twitter AAAAAAAAAAAAAAAAAAAAA{a70}
facebook EAA{a180}
instagram IGQV{w140}
dropbox sl.{w136}
lichess lip_{a20}
apify apify_api_{a36}
riot RGAPI-{uuid}
wakatime waka_{uuid}
frameio fio-u-{w64}
sourcegraph sgp_{h40}
prefect pnu_{l36}
aiven AVNS_{w19}
mongodb mdb_sa_sk_{w40}
axiom xaat-{uuid}
zoho 1000.{h32}.{h32}
deepl {uuid}:fx
maxmind {a6}_{a29}_mmk
elevenlabs sk_{h48}
firecrawl fc-{h32}
jina jina_{a60}
fireworks fw_{a22}
cerebras csk-{l48}
infisical st.{h24}.{h32}.{h32}
harness pat.{w22}.{h24}.{a20}
octopus API-{u26}
adobe p8e-{l32}
intra42 s-s4t2ud-{h64}
authress sc_{l10}.{l4}.acc_{l16}.{l60}
pinterest pina_{a64}
jumpcloud jca_{a36}
azure {a3}8Q~{a34}
amazon-mws amzn.mws.{uuid}
webflow-like whsec_{b43}=
zapier https://hooks.zapier.com/hooks/catch/{d7}/{l7}
statsig secret-{a43}
pubnub sub-c-{uuid}
neon napi_{l64}
xata xau_{a36}
customer-token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI{a20}In0.{w43}
"""

# Keys that look like any other: only with their provider's name beside them.
NAMED = """
datadog {h32}
cohere {a40}
mistral {a32}
deepgram {h40}
assemblyai {h32}
wandb {h40}
serpapi {h64}
cloudflare {w40}
fastly {w32}
linode {h64}
vultr {u36}
hetzner {a64}
vercel {a24}
ngrok {a27}_{a21}
railway {uuid}
okta 00{w40}
auth0 {w64}
algolia {h32}
postmark {uuid}
mailjet {h32}
sparkpost {h40}
pipedrive {h40}
zendesk {a40}
freshdesk {a20}
intercom {b60}
travis {a22}
codecov {uuid}
snyk {uuid}
opsgenie {uuid}
pagerduty {a20}
rollbar {h32}
bugsnag {h32}
segment {a32}
mixpanel {h32}
amplitude {h32}
splunk {uuid}
sumologic {a64}
loggly {uuid}
honeycomb {a22}
messagebird {a25}
plivo {w40}
vonage {a16}
sendbird {h40}
pusher {h20}
coinbase {a64}
binance {a64}
kraken {b86}==
kucoin {h24}
infura {h32}
etherscan {u34}
alchemy {w32}
finnhub {l20}
polygon {a32}
openweather {h32}
shodan {a32}
virustotal {h64}
abuseipdb {h80}
hunter_io {h40}
rapidapi {h10}msh{h15}p1{h6}jsn{h12}
newsapi {h32}
nytimes {a32}
spotify {h32}
twitch {l30}
linkedin {a16}
reddit {w27}
trello-old {h32}
todoist {h40}
unsplash {w43}
pexels {a56}
giphy {a32}
etsy {l24}
cloudinary {w27}
ibm {w44}
elastic {b58}==
typesense {a32}
meilisearch {w43}
storyblok {a22}tt
crowdin {a80}
lokalise {h40}
bamboohr {h40}
mattermost {l26}
zoom {a32}
steam {H32}
particle {h40}
strava {h40}
fitbit {h32}
bitly {h40}
clearbit {h32}
contentstack {h32}
dnsimple {a32}
godaddy {a22}
namecheap {h32}
ovh {a32}
paystack {h40}
chargify {a40}
recurly {h32}
gumroad {w43}
patreon {w43}
eventbrite {u20}
meetup {l26}
surveymonkey {w60}
webex {w64}
ringcentral {w44}
zerotier {a32}
teamcity {w60}
jenkins {h34}
nexus {uuid}
harbor {a32}
rancher {l54}
consul {uuid}
nomad {uuid}
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """A key where keys turn up.

    Args:
        provider: whose key it is.
        start, end: the place of the key.
        held_out: its provider is one that rules were not tuned on.
    """

    provider: str
    text: str
    start: int
    end: int
    held_out: bool


_PLACES_TOLD = (
    "{NAME}_TOKEN=§\nDEBUG=1\n",
    "client = connect('§', timeout=30)",
    "Hi, the deploy failed. I used § for {name}, can you check?",
    '{{"{name}": {{"credentials": "§", "region": "eu"}}}}',
    "curl -H 'Authorization: Bearer §' https://api.example.com/v1/items",
    "| {name} | § | rotated in May |",
)
_PLACES_NAMED = (
    "{NAME}_API_KEY=§\nDEBUG=1\n",
    "{name} token = '§'",
    '{{"{name}_api_key": "§", "region": "eu"}}',
    "Our {name} api key is § (do not share).",
    "{name}:\n  api_token: §\n  retries: 3\n",
    'export {NAME}_SECRET="§"',
)


def _fill(form: str, chance: random.Random) -> str:
    def piece(match: re.Match[str]) -> str:
        if match[1] is None:
            return str(uuid.UUID(int=chance.getrandbits(128), version=4))
        return "".join(chance.choices(_ALPHABETS[match[1]], k=int(match[2])))

    return _PIECE.sub(piece, form)


def is_held_out(provider: str) -> bool:
    """Whether rules are not to be tuned on a provider."""
    return hashlib.sha256(provider.encode()).digest()[0] % 2 == 0


def samples(each: int, seed: int = 20) -> Iterator[Sample]:
    """Make that many samples of each form, the same ones for the same seed."""
    chance = random.Random(seed)  # noqa: S311 - made-up keys, not real ones
    for table, places in ((TOLD, _PLACES_TOLD), (NAMED, _PLACES_NAMED)):
        for line in table.strip().splitlines():
            name, _, form = line.rpartition(" ")
            provider = name.split()[0]
            for at in range(each):
                yield _sample(provider, _fill(form, chance), places[at % len(places)])


def _sample(provider: str, value: str, place: str) -> Sample:
    told = provider.replace("-", "_")
    before, _, after = place.format(name=told, NAME=told.upper()).partition("§")
    return Sample(
        provider, before + value + after, len(before), len(before) + len(value),
        is_held_out(provider),
    )  # fmt: skip
