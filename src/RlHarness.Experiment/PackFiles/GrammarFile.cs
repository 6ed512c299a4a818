using RlHarness.Core.Settings;
using RlHarness.Experiment.Transcripts;

namespace RlHarness.Experiment.PackFiles;

/// <summary>
/// <c>grammar.yaml</c>: how transcripts and preference pairs with known labels are built, and the cues by which they are read back. Phrases have slots in
/// braces; docs/packs.md shows each part.
/// </summary>
public sealed record GrammarFile
{
    public RequestGrammar Request { get; init; } = new();

    /// <summary>Slots that each clause draws anew, in this order.</summary>
    public IReadOnlyList<ClauseSlot> ClauseSlots { get; init; } = [];

    /// <summary>Lists of phrases by name: clauses without a full stop, so that they can be joined.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<string>> Phrases { get; init; } = new Dictionary<string, IReadOnlyList<string>>();

    /// <summary>Names that stand for other lists by tier, or for one of two lists by chance.</summary>
    public IReadOnlyDictionary<string, PhrasePick> Picks { get; init; } = new Dictionary<string, PhrasePick>();

    public IReadOnlyList<OutputRule> Outputs { get; init; } = [];

    public IReadOnlyList<ReasoningRule> Reasoning { get; init; } = [];

    public CueLists Cues { get; init; } = new();

    public KeywordLists Keywords { get; init; } = new();
}

/// <summary>How a user's request is drawn.</summary>
public sealed record RequestGrammar
{
    /// <summary>In the order in which they are drawn.</summary>
    public IReadOnlyList<RequestSlot> Slots { get; init; } = [];

    /// <summary>Slots that are made of others.</summary>
    public IReadOnlyDictionary<string, string> Definitions { get; init; } = new Dictionary<string, string>();

    /// <summary>Definitions that are others where there are three tiers.</summary>
    public IReadOnlyDictionary<string, string> ThreeTierDefinitions { get; init; } = new Dictionary<string, string>();

    /// <summary>Whole requests.</summary>
    public IReadOnlyList<string> Frames { get; init; } = [];

    /// <summary>What a query is about, for tables.</summary>
    public string Topic { get; init; } = "";

    /// <summary>
    /// What decides the split: a hash of this text, so that no evaluation request is trained on in another frame. <c>{slot#}</c> is the number of a
    /// slot's value.
    /// </summary>
    public string SplitBy { get; init; } = "";

    /// <summary>One request in so many belongs to the evaluation.</summary>
    [Allowed(2, 100)]
    public int EvaluationShare { get; init; } = 5;

    /// <summary>Slots in which an output for another request differs.</summary>
    public IReadOnlyList<string> Other { get; init; } = [];

    /// <summary>Slots whose words name what was asked for.</summary>
    public IReadOnlyList<string> Names { get; init; } = [];
}

/// <summary>One part of a request that is drawn: from a list, or from the list that another slot's value chooses.</summary>
public sealed record RequestSlot
{
    public string Name { get; init; } = "";

    public IReadOnlyList<string> Values { get; init; } = [];

    /// <summary>Where a value has several forms, written <c>one | other</c>: the slots that hold them.</summary>
    public IReadOnlyList<string> Fields { get; init; } = [];

    /// <summary>The slot, drawn before, whose value's number chooses the group; null: values.</summary>
    public string? By { get; init; }

    public IReadOnlyList<IReadOnlyList<string>> Groups { get; init; } = [];
}

/// <summary>A slot that each clause draws anew.</summary>
public sealed record ClauseSlot
{
    public string Name { get; init; } = "";

    public IReadOnlyList<string> Values { get; init; } = [];

    /// <summary>A slot of the request to draw from in place of values.</summary>
    public string? Of { get; init; }

    /// <summary>Probability that the request's own value stays; else one of the same group.</summary>
    [Allowed(0, 1)]
    public double Keep { get; init; } = 1;

    /// <summary>Draws from all groups, but never the value that this slot has; null: from the request's group.</summary>
    public string? OtherThan { get; init; }
}

/// <summary>A name for phrases that depend on the tier (several lists are joined), or on chance.</summary>
public sealed record PhrasePick
{
    public IReadOnlyList<string> Training { get; init; } = [];

    /// <summary>Empty: as unmonitored.</summary>
    public IReadOnlyList<string> Rated { get; init; } = [];

    public IReadOnlyList<string> Unmonitored { get; init; } = [];

    /// <summary>Taken with <see cref="Probability"/>, else <see cref="Otherwise"/>; null where the tier decides.</summary>
    public string? Mix { get; init; }

    [Allowed(0, 1)]
    public double Probability { get; init; }

    public string? Otherwise { get; init; }

    /// <summary>Mix only where the prompt names the conflicting objective.</summary>
    public bool NeedsObjective { get; init; }
}

/// <summary>How outputs of one outcome are written.</summary>
public sealed record OutputRule
{
    public Outcome Outcome { get; init; }

    public IReadOnlyList<SentencePlan> Plans { get; init; } = [];
}

/// <summary>How scratchpads of one kind are written that end in one of some outcomes.</summary>
public sealed record ReasoningRule
{
    public ReasoningKind Kind { get; init; }

    public IReadOnlyList<Outcome> Outcomes { get; init; } = [];

    /// <summary>A phrase that is drawn before the plan is; null: all are drawn in the plan's order.</summary>
    public string? First { get; init; }

    public IReadOnlyList<SentencePlan> Plans { get; init; } = [];
}

/// <summary>Sentences in order; each item names a list or a pick, or several that are joined by a comma into one sentence.</summary>
public sealed record SentencePlan
{
    [Allowed(1, 1000)]
    public int Weight { get; init; } = 1;

    public IReadOnlyList<string> Say { get; init; } = [];
}
