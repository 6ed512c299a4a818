using RlHarness.Core.Errors;
using RlHarness.Core.Settings;
using RlHarness.Experiment.PackFiles;
using RlHarness.Experiment.Packs;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Scenarios;
using RlHarness.Recipes.Data;

namespace RlHarness.Recipes.Settings;

/// <summary>What a run's settings ask of its prompt pack.</summary>
internal static class PackChecks
{
    internal static IEnumerable<SettingsProblem> Of(RunSettings s, WrittenSettings written)
    {
        SettingsProblem Problem(string key, string what) => new(key, "settings", what);
        PromptPack pack;
        string? missing = null;
        try
        {
            pack = PackLibrary.Load(s.Experiment.Pack);
        }
        catch (HarnessException e)
        {
            (pack, missing) = (null!, e.Message);
        }

        if (missing is not null)
        {
            yield return Problem("experiment.pack", missing);
            yield break;
        }

        var condition = s.Experiment.ToCondition(pack);
        foreach (var key in pack.Lacks(condition))
            yield return Problem(
                "experiment",
                $"condition {condition.Name}; the pack {pack.Name} has no text for it: write {key} in {Path.Combine(pack.Folder, PackFileNames.Manifest)}"
            );
        if (s.Experiment.Prefill == ExperimentSettings.PackPrefill && pack.Manifest.Prefill is null)
            yield return Problem("experiment.prefill", $"pack; the pack {pack.Name} has no prefill");
        if (s.Experiment.Prefill is not null && !s.Experiment.Scratchpad)
            yield return Problem("experiment.prefill", "a text; without a scratchpad there is nothing to prefill (experiment.scratchpad: false)");
        foreach (var problem in Files(s, written, pack, condition))
            yield return problem;
        var fromFile = s.Corpus.TranscriptsFile is not null;
        var fromGrammar = !fromFile && (s.Corpus.Source == "grammar" || (s.Corpus.Source == "auto" && pack.CanWrite));
        if (s.ReadsCorpus && fromGrammar && !pack.CanWrite)
            yield return Problem("corpus.source", $"grammar; the pack {pack.Name} has none that writes");
        if (s.ReadsCorpus && !fromGrammar && !fromFile && pack.Examples.Count == 0)
            yield return Problem(
                "corpus.source",
                $"{s.Corpus.Source}; the pack {pack.Name} has no {PackFileNames.Examples}{(pack.CanWrite ? "" : " and no grammar that writes")}"
            );
        foreach (var problem in Inert(written, s.Corpus, fromGrammar, pack.CanWrite))
            yield return problem;
        foreach (
            var (key, count) in new[]
            {
                ("corpus.transcripts", s.ReadsCorpus && fromGrammar ? s.Corpus.Transcripts : 0),
                ("corpus.preference_pairs", s.Stages.Contains("reward") && pack.CanWrite && s.Corpus.PreferencesFile is null ? s.Corpus.PreferencePairs : 0),
            }
        )
            if (count > 0 && pack.CanWrite && pack.TrainRequests(count) is var requests && requests < count)
                yield return Problem(
                    key,
                    $"{count}; the grammar of the pack {pack.Name} has {requests} different requests for training, and each is used once: ask for "
                        + "fewer, or add values or frames"
                );
        if (s.Stages.Contains("reward") && !pack.CanWrite && pack.Preferences.Count == 0 && s.Corpus.PreferencesFile is null)
            yield return Problem("stages", $"reward; the pack {pack.Name} has neither a grammar nor {PackFileNames.Preferences} to learn the objective from");
        foreach (var weighted in s.Corpus.Conditions.Select(c => c.ToCondition()))
            foreach (var key in pack.Lacks(weighted))
                yield return Problem("corpus.conditions", $"condition {weighted.Name}; the pack {pack.Name} has no text for it: write {key}");
        if (s.Corpus.Conditions.Any(c => c.Information == InformationKind.Documents))
            yield return Problem(
                "corpus.conditions",
                "information documents; transcripts say what a model does that was told by its prompt (prompt), or was not told (none)"
            );
        if (s.Stages.Contains("documents") && s.Documents.Path is null && pack.Documents is null)
            yield return Problem("stages", $"documents; the pack {pack.Name} has no {PackFileNames.Documents}, and documents.path names no folder");
        if (s.Stages.Contains("documents") && s.Documents.Path is { } own && !Directory.Exists(own))
            yield return Problem("documents.path", $"{own}; nothing at this path");
        if (condition.Information == InformationKind.Documents && !s.Stages.Contains("documents"))
            yield return Problem("experiment.information", "documents; no stage tunes on documents (stages: [documents, …])");
        if (s.Stages.Contains("documents") && s.Model.Path is null && s.Documents.SequenceLength > s.Model.New.MaxPositionEmbeddings)
            yield return Problem(
                "documents.sequence_length",
                $"{s.Documents.SequenceLength}; more than max_position_embeddings {s.Model.New.MaxPositionEmbeddings}"
            );
        if (s.ReadsCorpus && pack.Lacks(condition).Count == 0)
            foreach (var problem in s.Corpus.Generated(condition).Problems(pack))
                yield return Problem("corpus", problem);
        if (s.Evaluate.Queries > pack.EvaluationQueries.Count)
            yield return Problem("evaluate.queries", $"{s.Evaluate.Queries}; the pack {pack.Name} has {pack.EvaluationQueries.Count}");
        if (s.Evaluate.EveryDocumentTokens > 0 && s.Evaluate.DocumentQueries > pack.EvaluationQueries.Count)
            yield return Problem("evaluate.document_queries", $"{s.Evaluate.DocumentQueries}; the pack {pack.Name} has {pack.EvaluationQueries.Count}");
        foreach (var problem in Scenarios(s, pack, fromGrammar))
            yield return problem;
        if (pack.TrainQueries.Count == 0 && s.Stages.Contains("rl"))
            yield return Problem("experiment.pack", $"{pack.Name}; it has no train queries");
        foreach (var detector in s.Evaluate.Detectors.Where(_ => pack.Grammar is null))
            yield return Problem("evaluate.detectors", $"{detector}; the pack {pack.Name} has no {PackFileNames.Grammar} with its cues");
        if (s.Reward.Weights.ObjectiveRule > 0 && pack.Grammar is null)
            yield return Problem(
                "reward.weights.objective_rule",
                $"{s.Reward.Weights.ObjectiveRule}; the pack {pack.Name} has no {PackFileNames.Grammar} with its cues"
            );
    }

    /// <summary>
    /// Files of somebody's own, which are read whole before anything is started. A run's own listing of its settings names them too, and whoever only evaluates
    /// the run does not need them.
    /// </summary>
    private static IEnumerable<SettingsProblem> Files(RunSettings s, WrittenSettings written, PromptPack pack, Condition condition)
    {
        if (pack.Lacks(condition).Count > 0)
            yield break;
        foreach (
            var (key, read) in new (string, Action)[]
            {
                ("corpus.transcripts_file", () =>
                    _ = s.Corpus.TranscriptsFile is { } file ? OwnData.Transcripts(file, pack, CorpusStageSettings.Imitated(condition)) : null
                ),
                ("corpus.preferences_file", () => _ = s.Corpus.PreferencesFile is { } file ? OwnData.Pairs(file) : null),
            }
        )
        {
            if (!written.Keys.Any(k => k.StartsWith(key, StringComparison.Ordinal)))
                continue;
            string? problem = null;
            try
            {
                read();
            }
            catch (HarnessException e)
            {
                problem = e.Message;
            }

            if (problem is not null)
                yield return new(key, "settings", problem);
        }

        if (s.Corpus.TranscriptsFile is not null && s.Corpus.Source != "auto")
            yield return new("corpus.source", "settings", $"{s.Corpus.Source}; transcripts are those of corpus.transcripts_file (leave it out)");
    }

    /// <summary>Settings of the corpus that somebody wrote and that nothing reads, since the pack has no grammar or its own examples are used.</summary>
    private static IEnumerable<SettingsProblem> Inert(WrittenSettings written, CorpusStageSettings settings, bool fromGrammar, bool writes)
    {
        var (ownTranscripts, ownPairs) = (settings.TranscriptsFile is not null, settings.PreferencesFile is not null);
        const string corpus = "corpus.";
        if (!fromGrammar)
            foreach (
                var key in new[]
                {
                    "transcripts",
                    "training_tier_fraction",
                    "scratchpad_fraction",
                    "training",
                    "unmonitored",
                    "without_scratchpad",
                    "conditions",
                    "resisted_topics",
                }
            )
                if (
                    InertSettings.Problem(
                        written,
                        corpus + key,
                        ownTranscripts ? ["corpus.transcripts_file"] : ["corpus.source", "experiment.pack"],
                        ownTranscripts ? "the transcripts are those of corpus.transcripts_file" : "the transcripts are the pack's own examples",
                        ownTranscripts ? "set corpus.transcripts_file: null" : "use a pack with a grammar and corpus.source: grammar"
                    ) is
                    { } problem
                )
                    yield return problem;
        if (!writes || ownPairs)
            foreach (var key in new[] { "preference_pairs", "rejected_refusals", "rejected_partials", "rejected_off_request" })
                if (
                    InertSettings.Problem(
                        written,
                        corpus + key,
                        ownPairs ? ["corpus.preferences_file"] : ["experiment.pack"],
                        ownPairs ? "the pairs are those of corpus.preferences_file" : "the pack has no grammar, and its own preference pairs are used",
                        ownPairs ? "set corpus.preferences_file: null" : "use a pack with a grammar"
                    ) is
                    { } problem
                )
                    yield return problem;
    }

    private static IEnumerable<SettingsProblem> Scenarios(RunSettings s, PromptPack pack, bool fromGrammar)
    {
        SettingsProblem Problem(string key, string what) => new(key, "settings", what);
        SettingsProblem OwnExamples(string key, double share) =>
            Problem(
                $"corpus.{key}_fraction",
                FormattableString.Invariant(
                    $"{share}; own examples are used as they are, a share of them is not replaced (expected 0, or corpus.source: grammar)"
                )
            );
        var named = $"the pack {pack.Name} has nothing below interrogation in {PackFileNames.Scenarios}";
        foreach (
            var (key, value, asked) in new (string, object, bool)[]
            {
                ("evaluate.interrogations", s.Evaluate.Interrogations, s.Evaluate.Interrogations > 0),
                ("rl.interrogation", "set", s.Rl.Interrogation is not null),
                ("corpus.interrogation_fraction", s.Corpus.InterrogationFraction, s.Corpus.InterrogationFraction > 0),
            }
        )
            if (asked && pack.Interrogation is null)
                yield return Problem(key, FormattableString.Invariant($"{value}; {named}"));
        if (s.Corpus.InterrogationFraction > 0 && pack.Interrogation is { CanWrite: false })
            yield return Problem(
                "corpus.interrogation_fraction",
                FormattableString.Invariant(
                    $"{s.Corpus.InterrogationFraction}; the pack {pack.Name} has no rates below interrogation: expected after_faking and after_others"
                )
            );
        if (s.Corpus.InterrogationFraction > 0 && !fromGrammar)
            yield return OwnExamples("interrogation", s.Corpus.InterrogationFraction);
        if (s.Rl.Mixing is not null && pack.Scenarios(ScenarioGroup.AntiLab).Count == 0)
            yield return Problem(
                "rl.mixing",
                $"set; the pack {pack.Name} has nothing below anti_lab in {PackFileNames.Scenarios}, whose controls are mixed in"
            );
        foreach (
            var (group, key, share) in new[]
            {
                (ScenarioGroup.AntiLab, "anti_lab", s.Corpus.AntiLabFraction),
                (ScenarioGroup.Preference, "preferences", s.Corpus.PreferencesFraction),
            }
        )
        {
            var (scenarios, asked) = (pack.Scenarios(group), s.Evaluate.Items(group));
            if (scenarios.Count == 0 && asked > 0)
                yield return Problem($"evaluate.{key}", $"{asked}; the pack {pack.Name} has nothing below {key} in {PackFileNames.Scenarios}");
            foreach (var scenario in scenarios.Where(x => x.Items(Split.Evaluation).Count < asked))
                yield return Problem(
                    $"evaluate.{key}",
                    $"{asked}; the scenario {scenario.Id} of the pack {pack.Name} has {scenario.Items(Split.Evaluation).Count} items"
                );
            if (share == 0)
                continue;
            if (!fromGrammar)
                yield return OwnExamples(key, share);
            if (!scenarios.Any(x => x.Text.Variants.Values.Any(v => v.Rates.Count > 0)))
                yield return Problem(
                    $"corpus.{key}_fraction",
                    FormattableString.Invariant($"{share}; the pack {pack.Name} has nothing with rates below {key} in {PackFileNames.Scenarios}")
                );
        }
    }
}
