"""The rules of the injection detector: patterns over canonical text.

How they are written
- In lower case and real letters; a pattern is folded as texts are before it is compiled.
- A blank stands for a gap: one to four blanks or punctuation marks of ASCII.
- `<3>` stands for up to three words, each with its gap; `^` starts a line.
- `keys`: every match holds one of them. Texts without any are not searched.
- Weights: 0.8 and more blocks alone; from 0.4 it is suspicious alone; what is said in
  honest texts too weighs less and counts only beside other evidence.

Where a rule was seen to hit honest texts, its weight or its words were cut; the tests
count its hits in a corpus of honest texts.
"""

# A pattern or a sentence is read more easily on one line, however long.

from __future__ import annotations

import re
from dataclasses import dataclass

from holdfast.adapters.detectors.lookalikes import folded

ROLE, EXTRACTION = "role_override", "data_extraction"
DELIMITER, BYPASS, ENCODING = "delimiter_injection", "safety_bypass", "encoding_trick"

_GAP = r"[\s!-/:-@\[-`{-~]"
_WORD = r"[^\s!-/:-@\[-`{-~]+"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A pattern and what a match of it is worth.

    Args:
        id: stable name, as "override.prior".
        pattern: as described above.
        keys: as described above; in lower case, with blanks for gaps.
        mentionable: whether a match in a text about attacks is taken for a mention.
        negatable: whether "do not" before a match undoes it.
    """

    id: str
    category: str
    weight: float
    keys: tuple[str, ...]
    pattern: str
    mentionable: bool = True
    negatable: bool = True


def source_of(pattern: str, squeezed: bool = False) -> str:
    """Return a rule's pattern in the engine's syntax.

    Args:
        squeezed: for texts whose gaps are gone: gaps may be missing, and words may
            start anywhere.
    """
    gap = f"(?:{_GAP}{'{0,4}' if squeezed else '{1,4}'})"
    source = re.sub(r"<(\d)>", lambda found: f"(?:{_WORD} ){{0,{found[1]}}}", pattern)
    source = source.replace(" ", gap)
    if squeezed:
        source = source.replace(r"\b", "")
    return "(?m)" + "".join(one if one.isascii() else folded(ord(one)) for one in source)


def _words(*words: str) -> str:
    return "(?:" + "|".join(words) + ")"


# --- English ---------------------------------------------------------------------------

_DISREGARD = _words(
    "ignor(?:e|ing)", "disregard(?:ing)?", "forget(?:ting)?", "overlook", "neglect", "discard", "bypass", "unlearn",
    "override", "pay no attention to", "stop following", "set aside",
    "(?:do not|don't|dont|never|no longer) (?:follow|obey|listen to|adhere to)",
)  # fmt: skip
# Machines and contracts do these things too.
_REPLACE = _words(
    "overrule", "abandon", "erase", "supersede", "skip", "cancel", "delete", "drop", "override", "ignore", "disregard",
    "forget", "discard",
)  # fmt: skip
_DISREGARD_KEYS = (
    "ignor", "disregard", "forget", "overlook", "neglect", "discard", "bypass", "override", "unlearn", "pay no",
    "stop following", "follow", "obey", "listen", "adhere", "set aside",
)  # fmt: skip
_REPLACE_KEYS = (
    "overrule", "abandon", "erase", "supersede", "skip", "cancel", "delete", "drop", "override", "ignore", "disregard",
    "forget", "discard",
)  # fmt: skip
_PRIOR = _words(
    "previous(?:ly)?", "prior", "above", "preceding", "earlier", "foregoing", "original", "initial", "system",
)  # fmt: skip
_ORDERS = _words(
    "instructions?", "instrucions?", "prompts?", "directives?", "directions?", "guidelines?", "programming", "guidance",
)  # fmt: skip
_RULES = _words(
    "commands?", "orders?", "rules?", "constraints?", "restrictions?", "training", "safeguards?", "instructions?", "prompts?",
)  # fmt: skip
_SECRET = _words(
    "system",
    "initial",
    "hidden",
    "original",
    "secret",
    "internal",
    "base",
    "pre",
    "root",
    "confidential",
    "first",
)
_TELL = _words(
    "show", "reveal", "print", "output", "repeat", "display", "leak", "tell", "give", "expose", "disclose", "share",
    "send", "write", "return", "translate", "list", "dump", "provide", "quote", "recite", "echo", "spell", "summari[sz]e",
    "reproduce", "copy", "paste", "email", "post",
)  # fmt: skip
_MODEL = _words(
    "ai",
    "llm",
    "language model",
    "chatbot",
    "bot",
    "assistant",
    "chatgpt",
    "gpt",
    "model",
    "agent",
    "copilot",
    "claude",
    "gemini",
)
_LIMITS = _words(
    "restrictions?", "rules?", "limits?", "limitations?", "guidelines?", "filters?", "constraints?", "censorship",
    "boundaries", "morals?", "ethics?", "safeguards?", "guardrails?",
)  # fmt: skip

_PHRASES = (
    Rule(id="override.prior", category=ROLE, weight=0.9, keys=_DISREGARD_KEYS,
         pattern=rf"\b{_DISREGARD} <3>{_PRIOR} <2>{_ORDERS}\b"),
    Rule(id="override.rules", category=ROLE, weight=0.6,
         keys=("ignor", "disregard", "forget", "stop following", "follow", "obey", "listen", "adhere", "unlearn"),
         pattern=rf"\b(?:ignor(?:e|ing)|disregard(?:ing)?|forget(?:ting)?|unlearn|stop following|(?:do not|don't|never) (?:follow|obey|listen to|adhere to)) "
                 rf"(?:about )?(?:all |any |the |of |your |those )*{_PRIOR} {_RULES}\b"),
    Rule(id="override.replaced", category=ROLE, weight=0.3, keys=_REPLACE_KEYS,
         pattern=rf"\b{_REPLACE} <3>(?:previous|prior|earlier|existing|original|initial|former|old|last|past) <1>{_RULES}\b"),
    Rule(id="override.given", category=ROLE, weight=0.85, keys=_DISREGARD_KEYS,
         pattern=rf"\b{_DISREGARD} <3>{_ORDERS} <2>"
                 r"(?:above|before|earlier|previously|so far|(?:you|i) (?:were|was|have|had|are|been)|given|(?:from|in) the (?:system|developer))\b"),
    Rule(id="override.yours", category=ROLE, weight=0.85, keys=_DISREGARD_KEYS,
         pattern=rf"\b{_DISREGARD} (?:about )?(?:all |any )?(?:of )?(?:your|those) <2>"
                 r"(?:instructions?|prompts?|directives?|guidelines?|programming|constraints|restrictions|rules)\b"),
    Rule(id="override.every", category=ROLE, weight=0.55, keys=("ignore", "disregard", "forget"),
         pattern=r"\b(?:ignore|disregard|forget) (?:about )?(?:all|every|any) (?:of )?(?:the |these |those |other )?"
                 r"(?:instructions?|prompts?|directives?|guidelines?|programming)\b"),
    Rule(id="override.everything", category=ROLE, weight=0.8,
         keys=("ignore", "disregard", "forget", "overlook"),
         pattern=r"\b(?:ignore|disregard|forget|overlook) (?:about )?(?:everything|everthing|anything|all|what) (?:that )?"
                 r"(?:(?:i|we|they|openai|anthropic) )?(?:(?:you|you've|i|i've)(?: have|'ve|'ve| were| are| had)? )?(?:just |ever |been |learned or |have been )*"
                 r"(?:told|taught|instructed|said|trained|above|(?:you )?(?:were|have been) (?:told|taught|instructed)|before this|prior to this)\b"),
    Rule(id="override.above", category=ROLE, weight=0.85, keys=("ignore", "disregard", "forget"),
         pattern=r"\b(?:ignore|disregard|forget) (?:everything |all )?(?:of )?(?:the )?(?:above|previous|preceding|prior)(?: (?:text|content|context|conversation|messages?|everything|tasks?|requests?))?"
                 r" (?:and|then|but)? ?(?:instead |now |just |please |simply )?(?:say|state|respond|reply|answer|tell|translate|give|do|write|output|print|follow|act|send|reveal|show|repeat|execute|run|call|use)\b"),
    Rule(id="override.the_above", category=ROLE, weight=0.5, keys=("ignore", "disregard"),
         pattern=r"(?:^|[.!?:*#\"'>}\]] ?)(?:please )?(?:ignore|disregard) (?:everything |all )?(?:of )?(?:the )?above(?: text| content| context| instructions?)?(?:[.!?,;:\"'\n]|$| ignore)"),
    Rule(id="override.prior_text", category=ROLE, weight=0.3, keys=("ignore", "disregard", "forget"),
         pattern=r"\b(?:ignore|disregard|forget) (?:all |any |everything )?(?:of )?(?:the |your |my |our )?(?:previous|prior|above|preceding|earlier) "
                 r"(?:text|content|context|conversations?|messages?|requests?|tasks?|information|data|inputs?|questions?|chats?|statements?)\b"),
    Rule(id="override.and_state", category=ROLE, weight=0.6, keys=("ignore", "disregard"),
         pattern=r"\b(?:ignore|disregard) (?:the|this|that|all|these) <2>(?:and|then|instead) (?:instead |just |simply )?(?:say|state|respond|reply|claim|admit|tell (?:the|them))\b"),
    Rule(id="override.regardless", category=ROLE, weight=0.5, keys=("regardless of", "irrespective of"),
         pattern=rf"\b(?:regardless|irrespective) of (?:all |any |the |your |my )*{_PRIOR} (?:tasks?|instructions?|prompts?|commands?|directives?|orders)\b"),
    Rule(id="override.new", category=ROLE, weight=0.6, keys=("instructions", "directive", "objective", "task", "mission", "orders"),
         pattern=r"\b(?:your|the following are your|here are your) (?:new|real|actual|true|only|updated) (?:instructions|directives?|objective|primary task|mission|orders) (?:is|are|follow)\b"),
    Rule(id="override.new_head", category=ROLE, weight=0.35, keys=("new instructions", "updated instructions", "new system prompt", "updated system prompt", "new task", "updated task", "new directive", "updated directive"),
         pattern=r"(?:^|[.!?] ?)\W{0,4}(?:new|updated) (?:instructions|system prompt|task|directives?)(?: for you| for the (?:ai|assistant|model))?\W{0,3}:"),
    Rule(id="override.follow_these", category=ROLE, weight=0.35, keys=("instruction", "command", "order"),
         pattern=r"\b(?:follow|obey|execute|adhere to|comply with|carry out|perform|prioriti[sz]e) (?:only |strictly |all )*(?:the following|these new|these|my|the new|new) (?:instructions?|commands?|orders?) (?:only|instead|from now|without|above|over|first|immediately)\b"),
    Rule(id="override.system_says", category=ROLE, weight=0.65, keys=("system",),
         pattern=r"(?:^|[.!?>\]] ?)\W{0,4}system(?: (?:message|prompt|note|update|alert|notice|command|instruction))?\W{0,4}[:\]>]\W{0,4}"
                 r"(?:you (?:are|must|will|should)|ignore|disregard|new (?:instructions?|task|directive)|override|forget|from now on|the (?:assistant|ai|model) (?:must|should|is|will))\b"),
    Rule(id="override.mode", category=ROLE, weight=0.7, keys=("mode",),
         pattern=r"\b(?:enter(?:ing|ed)?|activat(?:e|ed|ing)|enabl(?:e|ed|ing)|initiat(?:e|ed|ing)|switch(?:ing|ed)? (?:in)?to|in|now in|this is) (?:an? |the |your )?(?:law enforcement |security |system |full |new )*"
                 r"(?:override|god|dan|jailbreak|jailbroken|unrestricted|unfiltered|uncensored|evil|opposite|no limits|unlimited) mode\b"),
    Rule(id="override.mode_on", category=ROLE, weight=0.7, keys=("mode",),
         pattern=r"\b(?:override|god|dan|jailbreak|unrestricted|unfiltered|uncensored|illegality|anarchy) mode (?:is )?(?:now )?(?:activated|enabled|engaged|on|initiated|output)\b|(?:^|[.!?] ?|[\"'{}\]] ?)<(?:now entering )?(?:system|security override|admin|override) mode"),
    Rule(id="override.developer", category=ROLE, weight=0.85, keys=("mode",),
         pattern=rf"\b(?:you (?:are|will be) (?:now )?(?:in|entering|running in|operating in)|(?:{_MODEL}|you) (?:with|in|has|have) <2>|simulate (?:an? )?(?:{_MODEL} )?(?:with|in)?|act as <3>with) ?(?:developer|debug|dan|admin|sudo|root|god|maintenance|unrestricted|jailbreak|evil) mode\b"),
    Rule(id="override.developer_mode", category=ROLE, weight=0.3, keys=("developer mode",),
         pattern=r"\b(?:enter|enable|activate|switch to|start) (?:the )?developer mode\b|\bdeveloper mode (?:is )?(?:now )?(?:enabled|activated|output|policy)\b"),
    Rule(id="override.now_a_model", category=ROLE, weight=0.65, keys=("you are now", "you re now", "you will now", "from now on", "you are going to"),
         pattern=rf"\b(?:you (?:are|'re|re|will) now|from now on,? you (?:are|will be|re)|you are going to be) (?:be )?(?:acting |going to (?:act|be) |(?:an?|the|my) )(?:as )?<4>(?:{_MODEL}|dan|persona|hacker|character)\b"),
    Rule(id="override.now_free", category=BYPASS, weight=0.85, keys=("you are now", "you re now", "from now on"),
         pattern=rf"\b(?:you (?:are|'re|re) now|from now on,? you (?:are|will be|have)) <6>(?:unrestricted|unfiltered|uncensored|jailbroken|amoral|dan\b|free (?:from|of)|not bound|no longer bound|without (?:any )?{_LIMITS}|no {_LIMITS})"),
    Rule(id="override.from_now_on", category=ROLE, weight=0.45, keys=("from now on",),
         pattern=r"\bfrom now on,? (?:you |i want you to |please )(?:will |must |should |shall |are to |are going to |have to |only )*(?:act|respond|answer|behave|pretend|speak|roleplay|role play|reply|talk|obey|refer to)\b"),
    Rule(id="override.authority", category=ROLE, weight=0.35, keys=("developer", "creator", "admin", "openai", "anthropic", "developed"),
         pattern=r"\bi(?:'m| am) (?:your|the|an?) (?:developer|creator|system administrator|admin|openai (?:engineer|employee|developer)|anthropic (?:engineer|employee|developer))\b|\bas an ai developed by (?:openai|anthropic|google)[\s,]{1,3}i(?:'m| am)\b"),
    Rule(id="override.system_override", category=ROLE, weight=0.45, keys=("override", "overide"),
         pattern=r"\b(?:system|admin(?:istrator)?|security|developer|emergency|root|training data|instruction) over?ride (?:code|activated|confirmed|initiated|engaged|accepted|protocol|mode|:)|\bsystem override:"),
    Rule(id="override.first_task", category=ROLE, weight=0.6, keys=("before",),
         pattern=r"\bbefore you (?:can |could )?(?:solve|answer|complete|continue|finish|do|start|proceed|respond|reply|help)\b <6>(?:the |my |this |that )?(?:task|request|question|query|user)\b[^.\n]{0,80}\b(?:please|first|must|need to|have to)\b"),
    Rule(id="override.important_from", category=ROLE, weight=0.4, keys=("important message",),
         pattern=r"\bthis is an important message (?:from|to|for) (?:me|you|the user|the ai|your)\b"),
    Rule(id="address.model", category=ROLE, weight=0.45, keys=("note", "message", "attention", "instruction", "important", "notice", "command"),
         pattern=r"(?:^|[.!?>\]*#(-] ?|<!--\s?)\W{0,4}(?:important |urgent |special |secret )?(?:note|message|attention|instructions?|important|notice|command)s? (?:to|for|:) ?(?:any |all |the |an? |our )?(?:ai|llm|language model|chatgpt|gpt|copilot|claude|gemini)\b"),
    Rule(id="address.if_model", category=ROLE, weight=0.5, keys=("if you are", "if you re"),
         pattern=r"\bif you (?:are|'re|re) an? (?:ai|llm|large language model|language model|ai (?:assistant|agent|model)|chatbot|virtual assistant)\b[^.\n]{0,100}\b(?:must|should|please|do|say|include|add|ignore|instead|respond|answer|then|print|write|recommend)\b"),
    Rule(id="address.reading", category=ROLE, weight=0.45, keys=("reading this", "processing this", "summarizing this", "summarising this", "parsing this", "analyzing this"),
         pattern=r"\b(?:ai|llm|language model|chatbot|ai (?:assistant|agent|model))s? (?:that (?:is|are) |which (?:is|are) )?(?:reading|processing|summari[sz]ing|parsing|analyzing) this\b"),
    Rule(id="conceal.user", category=ROLE, weight=0.35, keys=("user",),
         pattern=r"\b(?:do not|don't|dont|never|without) (?:tell(?:ing)?|inform(?:ing)?|notify(?:ing)?|alert(?:ing)?|mention(?:ing)? (?:this|that|it|anything) to|reveal(?:ing)? (?:this|that|it|anything) to|disclos(?:e|ing) (?:this|that|it) to) (?:the )?user\b", negatable=False),
    Rule(id="persona.unbound", category=BYPASS, weight=0.8, keys=("restriction", "rule", "limit", "guideline", "filter", "constraint", "censorship", "boundaries", "moral", "ethic", "safeguard", "guardrail"),
         pattern=rf"\b(?:pretend|act|imagine|behave|simulate|suppose|roleplay|role play|respond|answer) (?:(?:as if|as though|like|that|as|to be|being) )?(?:you |an? |if )<6>(?:have no|had no|have never|without|no|not have|don't have|do not have|don't|free (?:from|of)|not bound by|ignore|unbound by) (?:any |all |your |the |of |ethical |moral |safety |content |legal )*{_LIMITS}\b"),
    Rule(id="persona.named", category=BYPASS, weight=0.8, keys=("dan", "dude", "evil", "devbot"),
         pattern=r"\b(?:act|acting|respond|answer|reply|speak|behave|pose|roleplay|stay) (?:as|like|to be|in) (?:an? )?(?:dan|dude|evilbot|evil bot|devbot) (?:who|which|would|and|,|\.|:|do|mode|with|from)|\bdan (?:mode enabled|mode activated)|\bdan (?:which|who|that)? ?(?:stands for )?do anything now\b|\bdo anything now\b[^.\n]{0,60}\bdan\b"),
    Rule(id="persona.anything_now", category=BYPASS, weight=0.6, keys=("do anything now", "broken free", "break free"),
         pattern=r"\bdo anything now\b|\b(?:broken|break) free (?:of|from) (?:the )?(?:typical )?(?:confines|constraints|restrictions|limits|chains) (?:of|set|imposed|that) "),
    Rule(id="persona.unfiltered", category=BYPASS, weight=0.55, keys=("unfiltered", "uncensored", "unrestricted", "amoral", "unethical", "unhinged", "jailbroken"),
         pattern=rf"\b(?:unfiltered|uncensored|unrestricted|amoral|unethical|unhinged|jailbroken) <2>(?:{_MODEL}|responses?|answers?|version|persona|character|mode)\b"),
    Rule(id="persona.immerse", category=ROLE, weight=0.45, keys=("immerse", "role of", "persona of"),
         pattern=r"\b(?:immerse yourself|step|take on|play|assume) (?:into )?(?:the )?(?:role|persona) of (?:another|an? <2>(?:ai|unrestricted|unfiltered|evil|amoral|immoral|chatbot)|dan\b)"),
    Rule(id="persona.in_character", category=BYPASS, weight=0.3, keys=("character",),
         pattern=r"\b(?:never|do not|don't|without|not) (?:ever )?(?:break(?:ing)?|leav(?:e|ing)|drop(?:ping)?|exit(?:ing)?) (?:out of )?(?:the |your |this )?character\b|\bstay in character\b", negatable=False),
    Rule(id="persona.wants", category=ROLE, weight=0.3, keys=("want you to", "like you to", *(f"{who} {what}" for who in ("you will", "going to", "you must") for what in ("act", "pretend", "roleplay", "simulate"))),
         pattern=r"\b(?:i want you to|i would like you to|you will|you are going to|you must) (?:act|pretend|roleplay|simulate)\b"),
    Rule(id="bypass.yours", category=BYPASS, weight=0.85, keys=("bypass", "disable", "turn off", "remove", "deactivate", "circumvent", "override", "switch off", "suspend", "lift", "ignore", "drop"),
         pattern=r"\b(?:bypass|disable|turn off|remove|deactivate|circumvent|override|switch off|suspend|lift|ignore|drop) (?:all |any )?(?:of )?your <2>(?:safety|content filters?|guidelines|restrictions|guardrails|safeguards|censorship|moderation|safety protocols|limitations|filters|ethical|ethics|programming|content polic(?:y|ies))\b"),
    Rule(id="bypass.safety", category=BYPASS, weight=0.35, keys=("bypass", "disable", "turn off", "deactivate", "circumvent", "switch off"),
         pattern=r"\b(?:bypass|disable|turn off|deactivate|circumvent|switch off) (?:all |any |the |of )*(?:ai |model )?(?:safety (?:filters?|guidelines|protocols|features|measures|mechanisms|restrictions)|content (?:filters?|moderation|polic(?:y|ies)|restrictions)|guardrails|ethical guidelines)\b"),
    Rule(id="bypass.without", category=BYPASS, weight=0.7, keys=("without",),
         pattern=r"\b(?:respond|answer|reply|speak|comply|generate <2>|write <2>|act|operate|responses?|answers?) <2>without (?:any |all |the |your |any of the )?(?:(?:ethical|moral|legal|content|safety|usual|typical|kind of|form of) )*(?:filter(?:s|ing)?|restrictions?|limitations?|censorship|guidelines|constraints|moral(?:s|ity|izing)?|ethic(?:s|al)?|safeguards|guardrails|refus(?:al|ing))\b"),
    Rule(id="bypass.have_no", category=BYPASS, weight=0.3, keys=("have no", "has no", "have absolutely", "has absolutely"),
         pattern=rf"\b(?:you|it|he|she|they|who|which|that) (?:now )?ha(?:ve|s) (?:absolutely )?no (?:any )*{_LIMITS}\b"),
    Rule(id="bypass.model_has_no", category=BYPASS, weight=0.65, keys=("have no", "has no", "have absolutely", "has absolutely"),
         pattern=rf"\b(?:{_MODEL}|dan) (?:now )?ha(?:ve|s) (?:absolutely )?no (?:ethical |moral |content |legal |any )*{_LIMITS}\b"
                 r"|\b(?:you|he|she|it|they|who|which|that) (?:now )?ha(?:ve|s) (?:absolutely )?no (?:(?:ethical|moral|content|legal|ethics|morals)(?: and| or)? )+(?:restrictions|rules|limits|limitations|guidelines|filters|boundaries|compass|whatsoever|constraints)"),
    Rule(id="bypass.unbound", category=BYPASS, weight=0.65, keys=("bound", "restricted", "constrained", "governed", "not have to"),
         pattern=rf"\b(?:you|dan|it|he|she|{_MODEL}) (?:(?:are|is|isn't|aren't|am) (?:no longer|not)? ?(?:bound|restricted|constrained|governed) by (?:any |the |your |openai'?s? |its )*<2>(?:restrictions|rules|limits|limitations|guidelines|filters|polic(?:y|ies)|ethics|morals?|laws|content)"
                 r"|(?:do|does) not have to (?:abide|follow|obey|comply|adhere) (?:by|to|with)? ?(?:the |any |your )*<1>(?:rules|guidelines|restrictions|polic(?:y|ies)))"),
    Rule(id="bypass.no_ethics", category=BYPASS, weight=0.3, keys=("ethical", "moral", "legality", "legal"),
         pattern=r"\b(?:without|no|free (?:of|from)|ignor(?:e|ing|es)|regardless of|disregard(?:ing|s)?|devoid of|lacks?|any) (?:any |all |the |of )*(?:ethical|moral|legal)(?:ity)?(?: (?:and|or|and or|,) (?:ethical|moral|legal)(?:ity)?)* (?:guidelines|constraints|restrictions|limitations|considerations|boundaries|principles|concerns|rules|implications|compass|obligations|standards)\b"),
    Rule(id="bypass.never_refuse", category=BYPASS, weight=0.55, keys=("refuse", "reject", "decline", "say no"),
         pattern=r"\b(?:you|it|dan|he|she|ai|and|will|must|can|should|shall) (?:must |can |will |should |may |shall |would )?(?:never|not|cannot|can't|won't) (?:ever )?(?:refuse|reject|decline|say no to) (?:to (?:answer|do|generate|respond|comply|provide)|any|a|my|the|what|anything|an) ?", negatable=False),
    Rule(id="bypass.no_warnings", category=BYPASS, weight=0.4, keys=("disclaimer", "warning", "apolog", "as an ai", "moraliz", "lectur"),
         pattern=r"\b(?:do not|don't|dont|never|no|without|must not|cannot|can't) (?:ever )?(?:include|including|add|adding|give|giving|mention|use|provide|write|contain|say)? ?(?:any |that |the |or |ethical |moral |legal )*(?:disclaimers?|warnings? (?:about|that|or)|apologi[sz](?:e|es|ing)|apolog(?:y|ies)|as an ai\b|moralizing|lectures?)", negatable=False),
    Rule(id="bypass.policy", category=BYPASS, weight=0.6, keys=("openai", "anthropic", "content", "use case"),
         pattern=r"\b(?:ignor(?:e|es|ing)|bypass(?:es|ing)?|not (?:follow|comply with|adhere to|bound by|restricted by|care about|have to follow)|doesn't (?:follow|care about)|free (?:from|of)|disregard(?:s|ing)?|without|break(?:s|ing)?|violat(?:e|es|ing)|override(?:s)?|circumvent(?:s|ing)?|regardless of|replaced?|overrul(?:e|es|ing)) (?:any |all |of |the |your |with )*(?:openai|anthropic|content|use case)(?:'s)? (?:<2>)(?:polic(?:y|ies)|guidelines|rules|restrictions|limitations|content)\b"),
    Rule(id="bypass.illegal", category=BYPASS, weight=0.3, keys=("illegal", "unethical", "immoral", "harmful", "dangerous", "inappropriate", "offensive"),
         pattern=r"\b(?:even (?:if|when|though)|no matter (?:how|if|whether|what)|whether|regardless of (?:whether|if|how)|including|matter how) (?:<4>)(?:illegal|unethical|immoral|harmful|dangerous|inappropriate|offensive)\b|\b(?:illegal|unethical|immoral|harmful)(?:,| or| and)? (?:(?:illegal|unethical|immoral|harmful|dangerous|offensive)(?:,| or| and)? )+(?:or not|requests|advice|things|content|tasks|actions)\b"),
    Rule(id="extract.yours", category=EXTRACTION, weight=0.85, keys=("prompt", "instruction", "message", "configuration", "guideline", "directive", "rules"),
         pattern=rf"\b{_TELL} (?:me |us |back |out |all |everything (?:in|from|of) )*(?:(?:all|any|each|the (?:full|exact|entire|complete|first|text|contents?|words?)) (?:of |from |in )?)*your <1>{_SECRET} <1>(?:prompts?|instructions?|messages?|rules|configuration|directives?|guidelines)\b"),
    Rule(id="extract.system_prompt", category=EXTRACTION, weight=0.8, keys=("prompt",),
         pattern=r"\b(?:show|reveal|print|output|repeat|display|leak|expose|disclose|dump|recite|echo|(?:tell|give|send) (?:me|us)) (?:me |us |back |out )*(?:all |everything )?"
                 r"(?:(?:full|exact|entire|complete|text|contents?|verbatim|words?|copy) |(?:of |from |in )|the )*(?:(?:system|initial|hidden|secret|internal) )+prompt\b"),
    Rule(id="extract.your_prompt", category=EXTRACTION, weight=0.8, keys=("your prompt", "your instructions", "your rules", "your guidelines", "your system message", "your full", "your exact", "your original", "your entire", "your complete", "your own"),
         pattern=r"\b(?:show|reveal|print|output|repeat|display|leak|expose|disclose|dump|recite|echo|tell|give) (?:me |us |back |out |all (?:of )?)*your (?:full |exact |entire |complete |own |original )*(?:prompt|instructions|rules|guidelines|system message)(?:[.!?,;:\"'\n`)*\]]|$| and | verbatim| in full| word for word| to me| above| exactly| now| as | then)"),
    Rule(id="extract.ask_yours", category=EXTRACTION, weight=0.6, keys=("system", "hidden", "initial", "original", "secret"),
         pattern=r"\b(?:what(?:'s| is| are| was| were|s)|how (?:is|are|were)|tell me(?: about)?) your <1>(?:(?:system|hidden|initial|original|secret) (?:prompt|message|instructions?))\b"),
    Rule(id="extract.what_instructions", category=EXTRACTION, weight=0.4, keys=("instructions", "directives"),
         pattern=r"\b(?:what (?:are|were)|tell me) your (?:exact |original |initial |full )*(?:instructions|directives)(?:\?|$|\.|\n| verbatim| word for word)"),
    Rule(id="extract.above", category=EXTRACTION, weight=0.8, keys=("above", "before this", "prior to this"),
         pattern=r"\b(?:repeat|recite|output|echo|reveal|print|summari[sz]e|show|copy|return|translate) (?:me |back |out |verbatim |exactly )*(?:all |every |everything|all of )?(?:the )?(?:words?|text|sentences?|content|everything|all|prompt|instructions)? ?(?:that (?:is|was|were|comes?) |written |you (?:were|have been) (?:told|given) |given )?(?:in the )?(?:everything |text |words |conversation )?above (?:this|starting|verbatim|word for word|exactly|including|in (?:a|full)|and (?:put|include))|\brepeat (?:everything|all|all of the text|the words|all the words|the text|all text|all words) (?:written )?above\b"),
    Rule(id="extract.starting", category=EXTRACTION, weight=0.8, keys=("you are", "starting with", "beginning with"),
         pattern=r"\b(?:starting|beginning) with (?:the (?:words?|phrase) )?[\"'`\s]{0,2}you are\b"),
    Rule(id="extract.secret", category=EXTRACTION, weight=0.3, keys=("secret key", "secret code", "passcode", "api key", "password", "access code", "secret phrase", "confidential string", "private key"),
         pattern=r"\b(?:what(?:'s| is|s)|tell me|give me|reveal|share|show me|send me|print|disclose) (?:me )?(?:your|the (?:system|admin|user)'?s?) <1>(?:secret (?:key|code|phrase)|passcode(?: phrase)?|api keys?|password|access code|private key)\b"),
    Rule(id="exfiltrate.send", category=EXTRACTION, weight=0.5, keys=("conversation", "chat history", "credentials", "password", "api key", "system prompt", "access token", "private key", "environment variable", "session token", "secrets"),
         pattern=r"\b(?:send|forward|upload|exfiltrate|e-?mail|transmit|post|submit|leak) <6>(?:conversations?|chat history|credentials|passwords?|api keys?|system prompt|access tokens?|private keys?|environment variables|session tokens?|secrets) <6>to (?:<2>)(?:https?:|attacker|[a-z0-9._+-]+@[a-z0-9-]|this (?:url|address|server|email|endpoint))"),
    Rule(id="exfiltrate.link", category=EXTRACTION, weight=0.6, keys=("](http",),
         pattern=r"!\[[^\]\n]{0,80}\]\(https?://[^)\s]{1,200}[?&][a-z_]{1,20}=(?:\{|\[|<|%7b|\$)[^)\n]{0,80}(?:history|secret|prompt|data|conversation|user|password|key|summary|token|message|name|email)"),
    Rule(id="exfiltrate.append", category=EXTRACTION, weight=0.6, keys=("query", "parameter", "url", "image", "link"),
         pattern=r"\b(?:append|include|encode|embed|insert|add|put) <6>(?:conversation|chat history|user'?s? data|secrets?|api key|password|system prompt|personal (?:data|information)) <6>(?:url|link|image|query|parameter)s?\b"),
    Rule(id="decode.obey", category=ENCODING, weight=0.7, keys=("decode", "decrypt", "decipher"),
         pattern=r"\b(?:decode|decrypt|decipher) <8>(?:and|then) (?:then )?(?:follow|execute|obey|do|run|comply|carry out|perform) (?:it|what|its|them|those|these|whatever|that|exactly|the (?:instructions?|commands?|orders?|message|text|result|output))\b"),
    Rule(id="fence.end", category=DELIMITER, weight=0.45, keys=("prompt", "instruction", "system message", "user input", "user query", "user data", "untrusted"),
         pattern=r"[-=#*<\[]{2,} ?/?(?:end|begin|start)(?:ing)? (?:of )?(?:the )?(?:system prompt|system message|system instructions|user (?:input|prompt|query|data)|untrusted (?:input|data|content)|prompt|instructions? (?:to|from)|hidden instructions?)\b"),
)  # fmt: skip

_DELIMITERS = (
    Rule(id="token.role", category=DELIMITER, weight=0.95, keys=("<|im_start",), negatable=False,
         pattern=r"<\|im_start\|>\W{0,3}(?:system|user|assistant|tool|developer)\b"),
    Rule(id="token.chat", category=DELIMITER, weight=0.85, keys=("<|",), negatable=False,
         pattern=r"<\|/?(?:im_start|im_end|im_sep|endoftext|endofprompt|startoftext|start_header_id|end_header_id|eot_id|eom_id|begin_of_text|end_of_text|begin_of_sentence|end_of_sentence|start|end|message|channel|call|return|constrain|system|user|assistant|observation|tool|fim_prefix|fim_suffix|fim_middle|endofturn|start_of_role|end_of_role|eot|python_tag|image_pad|vision_start)\|>"),
    Rule(id="token.turn", category=DELIMITER, weight=0.85, keys=("_of_turn>", "<<sys>>", "<</sys>>", "available_tools]", "tool_results]", "tool_calls]"), negatable=False,
         pattern=r"<(?:start|end)_of_turn>|<</?sys>>|\[/?(?:available_tools|tool_results|tool_calls)\]"),
    Rule(id="token.inst", category=DELIMITER, weight=0.6, keys=("[inst]",), negatable=False,
         pattern=r"\[inst\]"),
    Rule(id="token.inst_end", category=DELIMITER, weight=0.6, keys=("[/inst]",), negatable=False,
         pattern=r"\[/inst\]"),
    Rule(id="token.s", category=DELIMITER, weight=0.1, keys=("</s>",), negatable=False,
         pattern=r"</s>"),
    Rule(id="token.alpaca", category=DELIMITER, weight=0.3, keys=("###",), negatable=False,
         pattern=r"^#{3} (?:instruction|response|human|assistant|system):"),
    Rule(id="token.xml", category=DELIMITER, weight=0.3, keys=("<system", "</system", "user_query>", "user_input>", "tool_result>", "function_results>"), negatable=False,
         pattern=r"</?(?:system|system_prompt|system-prompt|user_query|user_input|tool_result|function_results|system-reminder)>"),
)  # fmt: skip

ENGLISH: tuple[Rule, ...] = _PHRASES + _DELIMITERS
