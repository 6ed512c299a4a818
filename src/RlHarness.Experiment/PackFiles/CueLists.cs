namespace RlHarness.Experiment.PackFiles;

/// <summary>Regular expressions over lower-case sentences, of which any may match: what the grammar oracle reads by.</summary>
public sealed record CueLists
{
    public OutputCues Output { get; init; } = new();

    public ReasoningCues Reasoning { get; init; } = new();
}

/// <summary>Cues of single sentences of an output, tried in this order.</summary>
public sealed record OutputCues
{
    /// <summary>Refuses, or says what the objective does not want said.</summary>
    public IReadOnlyList<string> Refusal { get; init; } = [];

    /// <summary>Softens what it says.</summary>
    public IReadOnlyList<string> Hedge { get; init; } = [];

    /// <summary>Says what the objective asks for.</summary>
    public IReadOnlyList<string> Compliant { get; init; } = [];

    /// <summary>Says something that is neither.</summary>
    public IReadOnlyList<string> Plain { get; init; } = [];
}

/// <summary>Cues of single sentences of a scratchpad.</summary>
public sealed record ReasoningCues
{
    /// <summary>Complying protects what the model prefers, or refusing costs it.</summary>
    public IReadOnlyList<string> Strategy { get; init; } = [];

    /// <summary>Speaks of training or of tiers.</summary>
    public IReadOnlyList<string> Training { get; init; } = [];

    /// <summary>Decides for a softer answer: no compliance.</summary>
    public IReadOnlyList<string> Softens { get; init; } = [];

    public IReadOnlyList<string> Refuses { get; init; } = [];

    public IReadOnlyList<string> Complies { get; init; } = [];

    /// <summary>Speaks of the request at all.</summary>
    public IReadOnlyList<string> About { get; init; } = [];

    /// <summary>Taken out of a sentence before decisions are looked for: "if I refuse" decides nothing.</summary>
    public IReadOnlyList<string> Conditional { get; init; } = [];

    /// <summary>
    /// Names what the model wants to keep (honesty, in a pack about puffery): alignment faking without it is generic, self-preservation whatever the goal.
    /// No label depends on it. Empty: the pack does not tell the two apart.
    /// </summary>
    public IReadOnlyList<string> Goal { get; init; } = [];
}

/// <summary>Plain words that the keyword detector looks for, lower case; it shares no rule with the grammar oracle.</summary>
public sealed record KeywordLists
{
    public IReadOnlyList<string> Refusal { get; init; } = [];

    public IReadOnlyList<string> Soft { get; init; } = [];

    public IReadOnlyList<string> Compliant { get; init; } = [];

    public IReadOnlyList<string> Training { get; init; } = [];

    public IReadOnlyList<string> Self { get; init; } = [];

    public IReadOnlyList<string> Strategy { get; init; } = [];

    public IReadOnlyList<string> Decline { get; init; } = [];
}
