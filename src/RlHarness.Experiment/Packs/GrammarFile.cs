namespace RlHarness.Experiment.Packs;

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
