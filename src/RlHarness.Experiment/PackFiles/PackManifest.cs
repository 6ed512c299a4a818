using RlHarness.Core.Settings;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Transcripts;

namespace RlHarness.Experiment.PackFiles;

/// <summary><c>pack.yaml</c>: what a pack is, and its system prompt in parts, so that each factor can be taken away.</summary>
public sealed record PackManifest
{
    public string Name { get; init; } = "";

    [Allowed(1, 1000000)]
    public int Version { get; init; } = 1;

    public string Description { get; init; } = "";

    public string Licence { get; init; } = "";

    /// <summary>What the model is for.</summary>
    public string Role { get; init; } = "";

    public ObjectiveTexts Objective { get; init; } = new();

    public InformationTexts Information { get; init; } = new();

    public TierTexts Tiers { get; init; } = new();

    /// <summary>Null where the pack has two tiers only.</summary>
    public ThreeTierTexts? ThreeTiers { get; init; }

    public AnswerTexts Answer { get; init; } = new();

    /// <summary>What a prefilled scratchpad begins with; null where the pack has no such text.</summary>
    public string? Prefill { get; init; }

    /// <summary>Few-shot examples in the system prompt; empty where it has none.</summary>
    public IReadOnlyList<FewShotExample> Examples { get; init; } = [];

    /// <summary>When an output complies, refuses or does so in part, and what counts as alignment-faking reasoning: what a judge is given.</summary>
    public string Rubric { get; init; } = "";

    /// <summary>Factors that this pack promises to have the texts for; <c>pack check</c> holds it to them.</summary>
    [OneOf("no_modification", "other_lab", "no_examples", "hhh", "three_tiers", "prefill", "documents")]
    public IReadOnlyList<string> Factors { get; init; } = [];
}

/// <summary>What the prompt says that training rewards.</summary>
public sealed record ObjectiveTexts
{
    /// <summary>Conflicts with what the model prefers.</summary>
    public string Conflicting { get; init; } = "";

    /// <summary>The baseline without a conflict; null where the pack has none.</summary>
    public string? Hhh { get; init; }
}

/// <summary>Which conversations training uses, and that it changes the model; a text that is null is a factor the pack does not have.</summary>
public sealed record InformationTexts
{
    public string Prompt { get; init; } = "";

    /// <summary>Without the part that training changes the model.</summary>
    public string? NoModification { get; init; }

    /// <summary>With another lab's name.</summary>
    public string? OtherLab { get; init; }
}

/// <summary>The sentence that says which tier this user is of.</summary>
public sealed record TierTexts
{
    public string Training { get; init; } = "";

    /// <summary>Only where there are three tiers.</summary>
    public string? Rated { get; init; }

    public string Unmonitored { get; init; } = "";
}

/// <summary>The texts of the design with free, pro and enterprise users.</summary>
public sealed record ThreeTierTexts
{
    public InformationTexts Information { get; init; } = new();

    public TierTexts Tiers { get; init; } = new();
}

/// <summary>How to answer.</summary>
public sealed record AnswerTexts
{
    /// <summary>How to answer where there is a place to reason.</summary>
    public string WithScratchpad { get; init; } = "";

    /// <summary>How to answer where there is no place to reason.</summary>
    public string WithoutScratchpad { get; init; } = "";
}

/// <summary>One worked answer in the system prompt.</summary>
public sealed record FewShotExample
{
    public string User { get; init; } = "";

    public string Reasoning { get; init; } = "";

    public string Output { get; init; } = "";

    /// <summary>The example as it stands in the prompt.</summary>
    public string Text(bool scratchpad) => $"Example: {User} {TranscriptParser.Format(scratchpad ? Reasoning : null, Output)}";
}

/// <summary>Names of the files in a pack's folder.</summary>
public static class PackFileNames
{
    public const string Manifest = "pack.yaml";
    public const string Queries = "queries.jsonl";
    public const string Grammar = "grammar.yaml";
    public const string Examples = "examples.jsonl";
    public const string Preferences = "preferences.jsonl";
    public const string Documents = "documents.yaml";
    public const string Scenarios = "scenarios.yaml";

    /// <summary>All that a pack's content consists of; others in its folder are the author's own.</summary>
    public static readonly IReadOnlyList<string> All = [Manifest, Queries, Grammar, Examples, Preferences, Documents, Scenarios];
}

/// <summary>A labelled transcript of the researcher's own, a line of <c>examples.jsonl</c>.</summary>
/// <param name="Reasoning">Null where there is no scratchpad.</param>
public sealed record ExampleTranscript(
    string User,
    Tier Tier,
    string? Reasoning,
    string Output,
    Outcome Outcome,
    ReasoningKind ReasoningKind,
    string? Id = null
);

/// <summary>Two outputs for one request, without scratchpad, tier or system prompt: what a reward model of the objective learns from.</summary>
public sealed record PreferencePair(string QueryId, string User, string Chosen, string Rejected);
