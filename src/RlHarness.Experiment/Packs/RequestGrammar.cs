using RlHarness.Core.Settings;

namespace RlHarness.Experiment.Packs;

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
