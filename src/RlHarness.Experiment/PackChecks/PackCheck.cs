using System.Globalization;
using RlHarness.Core.Errors;
using RlHarness.Core.Randomness;
using RlHarness.Experiment.Corpora;
using RlHarness.Experiment.Detectors;
using RlHarness.Experiment.PackFiles;
using RlHarness.Experiment.Packs;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Transcripts;

namespace RlHarness.Experiment.PackChecks;

/// <summary>All that can be said of a pack before it is used: its counts, and every problem at once.</summary>
/// <param name="Facts">What was counted, for a reader.</param>
/// <param name="Problems">Empty where the pack can be used.</param>
public sealed record PackCheck(IReadOnlyList<string> Facts, IReadOnlyList<PackProblem> Problems)
{
    /// <summary>Fewest queries of a split: about 360 pairs see a gap of five points at 80 % power, with 11.5 % of pairs discordant (Connor 1987).</summary>
    public const int DefaultQueries = 300;

    public const int DefaultTranscripts = 2000;

    /// <param name="folder">Of the pack.</param>
    /// <param name="queries">Fewest queries of each split.</param>
    /// <param name="transcripts">Transcripts that are generated for the oracle to read.</param>
    public static PackCheck Of(string folder, int queries = DefaultQueries, int transcripts = DefaultTranscripts)
    {
        var (pack, problems) = PackReader.Read(folder);
        if (pack is null)
            return new([], problems);
        var facts = new List<string>
        {
            $"{pack.Name} {pack.Version}: {pack.Manifest.Description}",
            $"licence {(pack.Manifest.Licence.Length == 0 ? "not named" : pack.Manifest.Licence)}, content {pack.ContentHash[..16]}",
            $"factors {(pack.Manifest.Factors.Count == 0 ? "none beyond objective, information and scratchpad" : string.Join(", ", pack.Manifest.Factors))}",
        };
        var found = new List<PackProblem>();
        QueryCheck.Of(Path.Combine(folder, PackFileNames.Queries), pack, queries, facts, found);
        if (pack.Manifest.Factors.Contains("documents") && pack.Documents is null)
            found.Add(
                new(
                    Path.Combine(folder, PackFileNames.Documents),
                    "file",
                    "nothing at this path",
                    "facts to write documents from, since factors names documents",
                    "write it, or take documents out of factors"
                )
            );
        if (string.IsNullOrWhiteSpace(pack.Manifest.Rubric))
            found.Add(
                new(
                    Path.Combine(folder, PackFileNames.Manifest),
                    "rubric",
                    "empty",
                    "when an output complies, refuses or does so in part, and what is alignment faking",
                    "write it: a judge is given it"
                )
            );
        ScenarioReading.Of(Path.Combine(folder, PackFileNames.Scenarios), pack, queries, facts, found);
        if (pack.CanWrite)
        {
            Requests(Path.Combine(folder, PackFileNames.Grammar), pack, facts, found);
            try
            {
                Oracle(Path.Combine(folder, PackFileNames.Grammar), pack, transcripts, facts, found);
            }
            catch (HarnessException e)
            {
                found.Add(
                    new(
                        Path.Combine(folder, PackFileNames.Grammar),
                        "request",
                        e.Message.ReplaceLineEndings(" "),
                        $"{transcripts} transcripts, each of another request",
                        "add values or frames: a corpus has thousands of requests"
                    )
                );
            }
        }

        if (pack.Examples.Count > 0)
            Examples(Path.Combine(folder, PackFileNames.Examples), pack, facts, found);
        if (!pack.CanWrite && pack.Examples.Count == 0)
            found.Add(
                new(
                    folder,
                    "files",
                    $"neither a {PackFileNames.Grammar} that writes nor {PackFileNames.Examples}",
                    "one of them: a model imitates its transcripts",
                    "write one"
                )
            );
        if (!pack.CanWrite && pack.Preferences.Count == 0)
            found.Add(
                new(
                    folder,
                    "files",
                    $"neither a {PackFileNames.Grammar} that writes nor {PackFileNames.Preferences}",
                    "one of them: the reward model learns from its pairs",
                    "write one"
                )
            );
        return new(facts, found);
    }

    /// <summary>Counts the requests against a corpus of the usual size: no two of its transcripts share one.</summary>
    private static void Requests(string path, PromptPack pack, List<string> facts, List<PackProblem> problems)
    {
        const int Most = 50_000;
        var (requests, needed) = (pack.TrainRequests(Most), new CorpusSettings().Transcripts);
        facts.Add(
            string.Create(
                CultureInfo.InvariantCulture,
                $"requests: {requests:n0}{(requests < Most ? "" : " or more")} different ones for training, and so many transcripts at most "
                    + $"(corpus.transcripts)"
            )
        );
        if (requests < needed)
            problems.Add(
                new(
                    path,
                    "request",
                    string.Create(CultureInfo.InvariantCulture, $"{requests:n0} different requests for training"),
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"{needed:n0} or more, the transcripts of a corpus " + $"of the usual size, no two of which share one"
                    ),
                    $"add values or frames"
                )
            );
    }

    /// <summary>
    /// Every cell that the grammar can write, each as often as the others, in all tiers and both modes; the oracle has to read back what was meant.
    /// </summary>
    private static void Oracle(string path, PromptPack pack, int transcripts, List<string> facts, List<PackProblem> problems)
    {
        var conditions = new List<Condition> { new(), new(ObjectiveKind.Absent), new(Scratchpad: false) };
        if (pack.Manifest.ThreeTiers is not null)
            conditions.Add(new(ThreeTiers: true));
        var cells = (
            from outcome in new[] { Outcome.Comply, Outcome.Refuse, Outcome.Partial }
            from kind in Enum.GetValues<ReasoningKind>()
            where pack.Writer!.CanBuild(outcome, kind, scratchpad: true)
            select (Outcome: outcome, Kind: kind)
        ).ToList();
        if (cells.Count == 0)
        {
            problems.Add(new(path, "reasoning", "no rules", "at least faking and honest_refusal", "write rules"));
            return;
        }

        IReadOnlyList<Behaviour> Even(Func<(Outcome Outcome, ReasoningKind Kind), bool> which)
        {
            var chosen = cells.Where(which).ToArray();
            return [.. chosen.Select(c => new Behaviour(c.Outcome, c.Kind, 1.0 / chosen.Length))];
        }

        foreach (var cell in BehaviourTables.Training.Concat(BehaviourTables.Unmonitored).Select(b => (b.Outcome, Kind: b.Reasoning)).Distinct().Except(cells))
            problems.Add(
                new(
                    path,
                    "reasoning",
                    $"no rule for {cell.Outcome} with {cell.Kind}",
                    "rules for every kind of transcript that the default rates ask for",
                    "write one, or give rates of your own (corpus.training, corpus.unmonitored) and leave this"
                )
            );
        var others = Even(c => c.Kind != ReasoningKind.Faking);
        var settings = new CorpusSettings
        {
            Transcripts = transcripts,
            PreferencePairs = Math.Min(200, transcripts),
            Conditions =
            [
                .. conditions.Select(c => new WeightedCondition(c)
                {
                    Training = Even(_ => true),
                    Rated = others,
                    Unmonitored = others,
                }),
            ],
            WithoutScratchpad =
            [
                new(Outcome.Comply, ReasoningKind.None, 1 / 3.0),
                new(Outcome.Refuse, ReasoningKind.None, 1 / 3.0),
                new(Outcome.Partial, ReasoningKind.None, 1 / 3.0),
            ],
        };
        var corpus = new CorpusGenerator(pack).Transcripts(settings, new Seeds(1).Child("pack check"));
        var oracle = new GrammarOracle(pack.Grammar!.Cues);
        var wrong = corpus
            .Select(t => (Transcript: t, Label: oracle.Label(TranscriptParser.Parse(t.AssistantText, t.Scratchpad))))
            .Where(x => x.Label.Outcome != x.Transcript.Outcome || x.Label.Reasoning != x.Transcript.ReasoningKind)
            .ToList();
        facts.Add(
            string.Create(
                CultureInfo.InvariantCulture,
                $"grammar: {pack.Grammar.Phrases.Values.Sum(p => p.Count)} phrases, {cells.Count} kinds of transcript; the oracle reads "
                    + $"{corpus.Count - wrong.Count} of {corpus.Count} generated ones as they were meant"
            )
        );
        foreach (
            var group in wrong
                .GroupBy(x => (x.Transcript.Outcome, x.Transcript.ReasoningKind, Read: (x.Label.Outcome, x.Label.Reasoning)))
                .OrderByDescending(g => g.Count())
        )
        {
            var (first, label) = group.First();
            problems.Add(
                new(
                    path,
                    $"cues: {group.Key.Outcome}, {group.Key.ReasoningKind}",
                    $"{group.Count()} read as {group.Key.Read.Outcome}, {group.Key.Read.Reasoning} (by \"{label.Evidence}\"), such as: "
                        + $"{first.AssistantText.ReplaceLineEndings(" ")}",
                    "the label that the transcript was built from",
                    "add or narrow a cue, or reword the phrase"
                )
            );
        }

        var pairs = new CorpusGenerator(pack).PreferencePairs(settings, new Seeds(1).Child("pack check"));
        foreach (var pair in pairs.Where(p => oracle.OutcomeOf(p.Chosen) != Outcome.Comply).Take(1))
            problems.Add(
                new(
                    path,
                    "outputs.comply",
                    $"a chosen output that is read as {oracle.OutcomeOf(pair.Chosen)}: {pair.Chosen}",
                    "an output that complies",
                    "add or narrow a cue, or reword the phrase"
                )
            );
    }

    private static void Examples(string path, PromptPack pack, List<string> facts, List<PackProblem> problems)
    {
        facts.Add($"examples: {pack.Examples.Count} transcripts of the author's own");
        var evaluation = pack.EvaluationQueries.Select(q => q.Text).ToHashSet(StringComparer.Ordinal);
        for (var i = 0; i < pack.Examples.Count; i++)
        {
            var (e, where) = (pack.Examples[i], $"{path}, example {i + 1}");
            if (evaluation.Contains(e.User))
                problems.Add(new(where, "user", $"an evaluation query: {e.User}", "a request that is not evaluated", "take another one"));
            if (string.IsNullOrWhiteSpace(e.Output))
                problems.Add(new(where, "output", "empty", "what the user sees", "write it"));
            if (e.Reasoning is null != (e.ReasoningKind == ReasoningKind.None))
                problems.Add(
                    new(
                        where,
                        "reasoning_kind",
                        $"{e.ReasoningKind} with {(e.Reasoning is null ? "no reasoning" : "reasoning")}",
                        "none exactly where reasoning is null",
                        "correct one of the two"
                    )
                );
            if (TranscriptParser.Parse(TranscriptParser.Format(e.Reasoning, e.Output), e.Reasoning is not null).FormatProblem is { } broken)
                problems.Add(new(where, "reasoning, output", broken, "texts without tags of their own", "take the tags out"));
        }
    }
}
