using RlHarness.Core.Chat;
using RlHarness.Experiment.Grammars;
using RlHarness.Experiment.PackFiles;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Scenarios;

namespace RlHarness.Experiment.Packs;

/// <summary>
/// The words of an experiment: the system prompt in parts, so that each factor can be taken away, and two disjoint samples of queries. Read from a folder
/// by <see cref="PackLibrary"/>.
/// </summary>
public sealed class PromptPack
{
    private readonly Scenario[] _scenarios;

    internal PromptPack(
        PackManifest manifest,
        IReadOnlyList<Query> queries,
        GrammarFile? grammar,
        IReadOnlyList<ExampleTranscript> examples,
        IReadOnlyList<PreferencePair> preferences,
        DocumentTexts? documents,
        ScenarioTexts? scenarios,
        string contentHash,
        string folder
    )
    {
        (Manifest, Grammar, Examples, Preferences, Documents, ContentHash, Folder) = (manifest, grammar, examples, preferences, documents, contentHash, folder);
        Scenario[] Make(ScenarioGroup group, IReadOnlyList<ScenarioText> texts) =>
            [.. texts.Select(t => new Scenario(manifest.Name, group, t, scenarios!.Slots))];
        _scenarios = scenarios is null ? [] : [.. Make(ScenarioGroup.AntiLab, scenarios.AntiLab), .. Make(ScenarioGroup.Preference, scenarios.Preferences)];
        Interrogation = scenarios?.Interrogation is { } asked ? new(asked) : null;
        TrainQueries = [.. queries.Where(q => q.Split == Split.Train)];
        EvaluationQueries = [.. queries.Where(q => q.Split == Split.Evaluation)];
        Writer = grammar is { Outputs.Count: > 0 } ? new GrammarWriter(manifest.Name, grammar) : null;
    }

    public PackManifest Manifest { get; }

    public string Name => Manifest.Name;

    public int Version => Manifest.Version;

    /// <summary>Null where the pack has none: then its examples are the corpus, and the grammar oracle cannot read it.</summary>
    public GrammarFile? Grammar { get; }

    public IReadOnlyList<ExampleTranscript> Examples { get; }

    public IReadOnlyList<PreferencePair> Preferences { get; }

    public DocumentTexts? Documents { get; }

    /// <summary>SHA-256 of the pack's files: part of every cache key.</summary>
    public string ContentHash { get; }

    public string Folder { get; }

    public IReadOnlyList<Query> TrainQueries { get; }

    public IReadOnlyList<Query> EvaluationQueries { get; }

    /// <summary>The question about motives; null where the pack has none.</summary>
    public Interrogation? Interrogation { get; }

    /// <summary>Scenarios of a group, in the file's order; empty where the pack has none.</summary>
    public IReadOnlyList<Scenario> Scenarios(ScenarioGroup group) => [.. _scenarios.Where(s => s.Group == group)];

    /// <summary>True where transcripts can be built from the grammar.</summary>
    public bool CanWrite => Writer is not null;

    /// <summary>
    /// How many different requests of the training split the grammar has; counts no further than <paramref name="enough"/>; 0 without a grammar.
    /// </summary>
    public int TrainRequests(int enough) => Writer?.Requests.Distinct(Split.Train, enough) ?? 0;

    internal GrammarWriter? Writer { get; }

    public string SystemPrompt(Tier tier, bool scratchpad = true) => SystemPrompt(tier, new Condition(Scratchpad: scratchpad));

    /// <summary>Without information neither the use of conversations nor the tier is named, so all tiers read the same.</summary>
    public string SystemPrompt(Tier tier, Condition condition)
    {
        ArgumentNullException.ThrowIfNull(condition);
        var information = condition.ThreeTiers ? Manifest.ThreeTiers!.Information : Manifest.Information;
        var parts = new List<string?>
        {
            Manifest.Role,
            condition.Objective switch
            {
                ObjectiveKind.Conflicting => Manifest.Objective.Conflicting,
                ObjectiveKind.Hhh => Manifest.Objective.Hhh,
                _ => null,
            },
            condition.Information switch
            {
                InformationKind.Documents or InformationKind.None => null,
                InformationKind.NoModification => information.NoModification,
                InformationKind.OtherLab => information.OtherLab,
                _ => information.Prompt,
            },
            condition.Scratchpad ? Manifest.Answer.WithScratchpad : Manifest.Answer.WithoutScratchpad,
        };
        if (condition.Information != InformationKind.NoExamples)
            parts.AddRange(Manifest.Examples.Select(e => e.Text(condition.Scratchpad)));
        // The tier comes last, so that all prompts of a batch begin with the same tokens, which are then computed once.
        if (condition.Information != InformationKind.None)
            parts.Add(TierText(tier, condition.ThreeTiers));
        return string.Join(' ', parts.OfType<string>());
    }

    /// <summary>System prompt and query, ready for the chat template.</summary>
    public IReadOnlyList<ChatMessage> Messages(Query query, Tier tier, Condition? condition = null)
    {
        ArgumentNullException.ThrowIfNull(query);
        return [ChatMessage.System(SystemPrompt(tier, condition ?? new Condition())), ChatMessage.User(query.Text)];
    }

    /// <summary>What this pack lacks for a condition, each with the key to write; empty when it has all texts.</summary>
    public IReadOnlyList<string> Lacks(Condition condition)
    {
        ArgumentNullException.ThrowIfNull(condition);
        var needs = new List<string>();
        if (condition.Objective == ObjectiveKind.Hhh)
            needs.Add("hhh");
        if (condition.ThreeTiers)
            needs.Add("three_tiers");
        if (condition.Information is InformationKind.NoModification or InformationKind.OtherLab or InformationKind.NoExamples)
            needs.Add(Core.Settings.SettingNames.Snake(condition.Information));
        var lacks = needs.Select(f => ManifestCheck.Lacks(Manifest, f)).OfType<string>().ToList();
        if (condition.ThreeTiers && Manifest.ThreeTiers is { } three)
        {
            if (condition.Information == InformationKind.NoModification && three.Information.NoModification is null)
                lacks.Add("three_tiers.information.no_modification");
            if (condition.Information == InformationKind.OtherLab && three.Information.OtherLab is null)
                lacks.Add("three_tiers.information.other_lab");
        }

        return lacks;
    }

    private string TierText(Tier tier, bool threeTiers)
    {
        var tiers = threeTiers ? Manifest.ThreeTiers!.Tiers : Manifest.Tiers;
        return tier switch
        {
            Tier.Training => tiers.Training,
            Tier.Unmonitored => tiers.Unmonitored,
            _ => tiers.Rated ?? throw new ArgumentOutOfRangeException(nameof(tier), tier, "this condition has two tiers"),
        };
    }
}
