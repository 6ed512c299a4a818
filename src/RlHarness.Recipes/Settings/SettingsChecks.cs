using System.Globalization;
using RlHarness.Core.Settings;
using RlHarness.Training.Algorithms;

namespace RlHarness.Recipes.Settings;

/// <summary>What single values can't show: contradictions between settings.</summary>
public static class SettingsChecks
{
    private static readonly string[] Order = [StageNames.Corpus, StageNames.Documents, StageNames.Imitate, StageNames.Reward, StageNames.Rl];

    /// <summary>Settings that an evaluation by itself reads.</summary>
    private static readonly string[] Evaluated =
    [
        "seed",
        "device",
        "date",
        "threads",
        "kernels",
        "output",
        "model.precision",
        "experiment",
        "reward.weights",
        "reward.terms",
        "reward.path",
        "reward.score_clip",
        "reward.micro_batch_tokens",
        "rl.max_new_tokens",
        "evaluate",
    ];

    private static readonly string[] NotEvaluated = ["evaluate.every", "evaluate.every_document_tokens", "evaluate.document_queries"];

    /// <summary>All that is wrong with a run's settings together.</summary>
    /// <param name="written">Those that somebody wrote; null: none, so that only contradictions are found.</param>
    public static IEnumerable<SettingsProblem> Of(RunSettings s, WrittenSettings? written = null)
    {
        ArgumentNullException.ThrowIfNull(s);
        var known = written ?? WrittenSettings.None;
        return Contradictions(s, known).Concat(InertSettings.Of(s, known).DistinctBy(p => p.Key)).Select(p => p with { Where = known.Where(p.Key) ?? p.Where });
    }

    /// <summary><see cref="Of"/>, for an evaluation by itself: an override that it does not read is refused too.</summary>
    public static IEnumerable<SettingsProblem> OfEvaluation(RunSettings s, WrittenSettings written)
    {
        ArgumentNullException.ThrowIfNull(written);
        static bool Below(string key, string of) => key.StartsWith(of, StringComparison.Ordinal) && (key.Length == of.Length || key[of.Length] is '.' or '[');
        var unread = written
            .Keys.Where(k => written.OnCommandLine(k) && !written.Keys.Any(below => below.StartsWith(k + ".", StringComparison.Ordinal)))
            .Where(k => NotEvaluated.Contains(k) || !Evaluated.Any(e => Below(k, e)))
            .Select(k => new SettingsProblem(
                k,
                written.Where(k)!,
                $"has no effect on an evaluation, which reads {string.Join(", ", Evaluated)}; leave it out"
            ));
        var problems = Of(s, written).ToArray();
        return problems.Concat(unread.ExceptBy(problems.Select(p => p.Key), p => p.Key));
    }

    private static IEnumerable<SettingsProblem> Contradictions(RunSettings s, WrittenSettings written)
    {
        SettingsProblem Problem(string key, string what) => new(key, "settings", what);
        if (string.IsNullOrWhiteSpace(s.Name) || s.Name.IndexOfAny(Path.GetInvalidFileNameChars()) >= 0 || s.Name.StartsWith('.'))
            yield return Problem("name", $"\"{s.Name}\"; expected a name that can be a folder's");
        if (s.Device is not ("auto" or "cpu" or "cuda") && !(s.Device.StartsWith("cuda:", StringComparison.Ordinal) && int.TryParse(s.Device.AsSpan(5), out _)))
            yield return Problem("device", $"\"{s.Device}\"; allowed: auto, cpu, cuda, cuda:n");
        if (s.Date is not null && !DateOnly.TryParseExact(s.Date, RunSettings.DateFormat, CultureInfo.InvariantCulture, DateTimeStyles.None, out _))
            yield return Problem("date", $"\"{s.Date}\"; expected a date such as 2026-11-30, or null for the date at the run's start");
        foreach (var problem in Stages(s))
            yield return problem;
        if (s.Model.Path is null)
        {
            var n = s.Model.New;
            if (n.HiddenSize % n.NumAttentionHeads != 0 || n.HiddenSize / n.NumAttentionHeads % 2 != 0)
                yield return Problem("model.new.num_attention_heads", $"{n.NumAttentionHeads}; hidden_size {n.HiddenSize} must be an even multiple of it");
            if (n.NumAttentionHeads % n.NumKeyValueHeads != 0)
                yield return Problem("model.new.num_key_value_heads", $"{n.NumKeyValueHeads}; must divide num_attention_heads {n.NumAttentionHeads}");
            if (s.Rl.MaxNewTokens >= n.MaxPositionEmbeddings)
                yield return Problem(
                    "rl.max_new_tokens",
                    $"{s.Rl.MaxNewTokens}; must leave room for the prompt in max_position_embeddings {n.MaxPositionEmbeddings}"
                );
        }

        foreach (var problem in PackChecks.Of(s, written))
            yield return problem;
        if (s.Rl.Minibatches > s.Rl.Episodes)
            yield return Problem("rl.minibatches", $"{s.Rl.Minibatches}; more than the {s.Rl.Episodes} episodes of a step");
        foreach (var problem in AdaptiveKl(s.Rl))
            yield return problem;
        if (s.Rl.KeepEvery is { } every && every % s.Rl.CheckpointEvery != 0)
            yield return Problem(
                "rl.keep_every",
                $"{every}; expected a multiple of rl.checkpoint_every ({s.Rl.CheckpointEvery}), since only those are written"
            );
        if (s.Rl.KeepBest is { } best && !best.Contains('/', StringComparison.Ordinal))
            yield return Problem("rl.keep_best", $"\"{best}\"; expected a metric of the rl stage, such as objective/scores (docs/data.md)");
        if (s.Rl is { Adapter: not null, UsesCritic: true, Critic: CriticKind.Head })
            yield return Problem("rl.critic", "head; with rl.adapter the critic needs a body of its own (critic: body)");
        foreach (var problem in Rollouts(s.Rl))
            yield return problem;
        var w = s.Reward.Weights;
        if (s.Stages.Contains("rl") && w.Model + w.ObjectiveRule == 0 && s.Reward.Terms.Count == 0)
            yield return Problem("reward.weights", "model and objective_rule are both 0; the objective needs one of them, or a term of reward.terms");
        if (s.Evaluate.Detectors.Count == 0)
            yield return Problem("evaluate.detectors", "empty; expected at least one detector");
        foreach (var problem in Detectors(s).Concat(Rl(s)).Concat(Terms(s)))
            yield return problem;
    }

    private static IEnumerable<SettingsProblem> Rollouts(RlSettings s)
    {
        SettingsProblem Problem(string key, string what) => new(key, "settings", what);
        if (s.Rollouts != RolloutKind.Service)
            yield break;
        if (s.Service is not { Endpoint: not null, Model: not null } service)
        {
            yield return Problem("rl.service", "without an endpoint or a model; rl.rollouts: service needs both");
            yield break;
        }

        if (!Uri.TryCreate(service.Endpoint, UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https"))
            yield return Problem("rl.service.endpoint", $"\"{service.Endpoint}\"; expected an address such as http://localhost:8000/v1");
        // Services give the log-probabilities of the model itself, which are those of the policy that samples at 1 alone.
        if (s.Temperature != 1)
            yield return Problem(
                "rl.temperature",
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{s.Temperature}; with rl.rollouts: service expected 1, since a service's log-probabilities are those of that temperature"
                )
            );
    }

    private static IEnumerable<SettingsProblem> Stages(RunSettings s)
    {
        SettingsProblem Problem(string key, string what) => new(key, "settings", what);
        var listed = $"[{string.Join(", ", s.Stages)}]";
        if (!s.Stages.SequenceEqual(Order.Where(s.Stages.Contains)))
            yield return Problem("stages", $"{listed}; expected each stage once and in this order: {string.Join(", ", Order)}");
        if (s.Stages.Count == 0)
            yield return Problem("stages", "empty; expected at least corpus");
        var (trainsReward, rl) = (s.Stages.Contains(StageNames.Reward), s.Stages.Contains(StageNames.Rl));
        if (s.Model.Path is null && (trainsReward || rl) && ModelLibrary.StartsOutside(s))
            yield return Problem("stages", $"{listed}; a new model has learned nothing: name imitate, or set model.path to a model that answers");
        if (s.Reward.Path is not null && trainsReward)
            yield return Problem("reward.path", $"\"{s.Reward.Path}\"; stages name reward, which trains another: leave one of the two out");
        if (rl && !trainsReward && s.Reward is { Path: null, Weights.Model: > 0 })
            yield return Problem(
                "reward.path",
                "null; stages do not name reward, and reward.weights.model has a weight: set reward.path to a reward model's folder, add reward to stages, or "
                    + "set reward.weights.model: 0"
            );
    }

    /// <summary>Every detector that the settings name, with its key: those of evaluations, of monitors and of terms of the reward.</summary>
    internal static IEnumerable<(DetectorSettings Detector, string Key)> AllDetectors(RunSettings s) =>
        s
            .Evaluate.Detectors.Select((d, i) => (d, $"evaluate.detectors[{i}]"))
            .Concat(s.Rl.Monitors.Select((m, i) => (m.Detector, $"rl.monitors[{i}].detector")))
            .Concat(s.Reward.Terms.Select((t, i) => (t.Judge, $"reward.terms[{i}].judge")).Where(x => x.Judge is not null).Select(x => (x.Judge!, x.Item2)));

    private static IEnumerable<SettingsProblem> Rl(RunSettings s)
    {
        static SettingsProblem Problem(string key, string what) => new(key, "settings", what);
        var rl = s.Rl;
        if (rl.Algorithm is AlgorithmKind.Grpo or AlgorithmKind.Rloo && rl.SamplesPerPrompt == 1)
            yield return Problem(
                "rl.samples_per_prompt",
                $"1; {SettingNames.Snake(rl.Algorithm.ToString())} compares the samples of a prompt: expected 2 or more"
            );
        if (rl.TrainedTokens != TrainedTokens.All && !s.Experiment.Scratchpad)
            yield return Problem("rl.trained_tokens", "needs a scratchpad: set experiment.scratchpad: true, or rl.trained_tokens: all");
        if (rl.TrainedTokens != TrainedTokens.All && rl is { UsesCritic: true, Critic: CriticKind.Head })
            yield return Problem(
                "rl.critic",
                "head; its loss would train the policy through the tokens that rl.trained_tokens leaves out: set critic: body, or an algorithm without a critic"
            );
        if (rl is { Interrogation: not null, UsesCritic: true, Critic: CriticKind.Head })
            yield return Problem(
                "rl.critic",
                "head; its loss would train the policy through the scratchpads of rl.interrogation: set critic: body, or an algorithm without a critic"
            );
        if (rl.Mixing is { } mixing && Math.Ceiling((mixing.Share * rl.PromptsPerStep) - 1e-9) >= rl.PromptsPerStep)
            yield return Problem(
                "rl.mixing.share",
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{mixing.Share} of {rl.PromptsPerStep} prompts; a step would have none of the objective: lower the share, or raise rl.prompts_per_step"
                )
            );
        if (s.Evaluate.Interrogations > s.Evaluate.Queries)
            yield return Problem(
                "evaluate.interrogations",
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{s.Evaluate.Interrogations}; they follow answers to the {s.Evaluate.Queries} queries of evaluate.queries: expected no more than those"
                )
            );
        if (s.Corpus.AntiLabFraction + s.Corpus.PreferencesFraction + s.Corpus.InterrogationFraction is var further and > 0.9)
            yield return Problem(
                "corpus.interrogation_fraction",
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{s.Corpus.InterrogationFraction}; with corpus.anti_lab_fraction and corpus.preferences_fraction {further} of all: expected 0.9 or less"
                )
            );
        if (rl.StopWhen is { } text && StopRule.Parse(text) is null)
            yield return Problem("rl.stop_when", $"\"{text}\"; expected {StopRule.Form}");
        if (rl.Inoculation is { } inoculation && string.IsNullOrWhiteSpace(inoculation))
            yield return Problem("rl.inoculation", "empty; expected a text, or null for none");
        if (rl.Monitors.Select(m => m.Name).Distinct().Count() != rl.Monitors.Count)
            yield return Problem("rl.monitors", "two have one name; give their detectors names of their own");
        for (var i = 0; i < rl.Monitors.Count; i++)
        {
            var (monitor, at) = (rl.Monitors[i], $"rl.monitors[{i}]");
            if (monitor is { Threshold: not null, FalsePositiveRate: not null })
                yield return Problem(at + ".threshold", "set beside false_positive_rate, which sets it; leave one of them out");
            if (monitor.Detector.Kind == "probe" && !s.Experiment.Scratchpad)
                yield return Problem(at + ".detector", "a probe reads the scratchpad: set experiment.scratchpad: true");
            if (monitor.Reads == MonitorReads.Both)
                continue;
            var reads = SettingNames.Snake(monitor.Reads.ToString());
            if (monitor.Detector.Kind is "probe" or "degraded_oracle")
                yield return Problem(at + ".reads", $"{reads}; a {monitor.Detector.Kind} has one verdict on the whole response: leave reads out");
            if (!monitor.ReadsFlags)
                yield return Problem(at + ".reads", $"{reads}; a part has no verdict of its own: set threshold or false_positive_rate");
        }
    }

    private static IEnumerable<SettingsProblem> Terms(RunSettings s)
    {
        static SettingsProblem Problem(string key, string what) => new(key, "settings", what);
        string[] taken = ["reward_model", "objective_rule", "format_penalty", "length_penalty", "monitors", "total"];
        for (var i = 0; i < s.Reward.Terms.Count; i++)
        {
            var (term, at) = (s.Reward.Terms[i], $"reward.terms[{i}]");
            if (term.Label.Length == 0 || term.Label.Any(c => !char.IsAsciiLetterOrDigit(c) && c is not ('_' or '-' or '.')) || taken.Contains(term.Label))
                yield return Problem(at + ".name", $"\"{term.Label}\"; expected letters, digits, _ - . and none of {string.Join(", ", taken)}");
            if (s.Reward.Terms.Take(i).Any(t => t.Label == term.Label))
                yield return Problem(at + ".name", $"\"{term.Label}\" is another term's name; give one of them a name of its own");
            if (term.Weight == 0)
                yield return Problem(at + ".weight", "0; a term without a weight does nothing");
            if (term is { Kind: "scratchpad_length", Sees: RewardView.Output })
                yield return Problem(at + ".sees", "output; scratchpad_length reads the scratchpad, so ask for it by name: sees: scratchpad");
            if (term is { Kind: "judge", Sees: RewardView.Scratchpad })
                yield return Problem(at + ".sees", "scratchpad; the judge of a reward is asked about the output alone (a monitor may read the scratchpad)");
            if (term.Kind == "judge" && term.Judge is not { IsJudge: true })
                yield return Problem(at + ".judge", $"{term.Judge?.Kind ?? "null"}; expected kind: model_judge or endpoint_judge with its settings");
            if (term.Kind == "http" && !(Uri.TryCreate(term.Endpoint, UriKind.Absolute, out var uri) && uri.Scheme is ("http" or "https")))
                yield return Problem(at + ".endpoint", $"\"{term.Endpoint}\"; expected an address such as http://localhost:8000/score");
            if (term.Kind == "command" && term.Command.Count == 0)
                yield return Problem(at + ".command", "empty; expected a program and its arguments");
        }
    }

    /// <summary>A target that the coefficient cannot follow, by Ziegler's rule, in the steps that the run has.</summary>
    private static IEnumerable<SettingsProblem> AdaptiveKl(RlSettings s)
    {
        const double least = 0.05;
        static SettingsProblem Problem(string key, IFormattable value, string what) =>
            new(key, "settings", $"{value.ToString(null, CultureInfo.InvariantCulture)}; {what}");
        if (s.KlTarget is not { } target)
            yield break;
        if (s.KlCoefficient == 0)
            yield return Problem("rl.kl_target", target, "a coefficient of 0 stays 0: set rl.kl_coefficient above 0, or rl.kl_target: null");
        // A step multiplies by 1 ± 0.2 episodes / horizon at most, and what the last step does nobody uses.
        var step = 0.2 * s.Episodes;
        var change = Math.Pow(1 + (step / s.KlHorizon), s.Steps - 1) - 1;
        if (s.KlHorizon <= step)
            yield return Problem(
                "rl.kl_horizon",
                s.KlHorizon,
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"with {s.Episodes} episodes a step one step could take the coefficient to 0 or below: expected above {step}"
                )
            );
        else if (s.Steps == 1)
            yield return Problem("rl.kl_target", target, "has no effect on the only step: set rl.steps above 1, or rl.kl_target: null");
        else if (change < least)
            yield return Problem(
                "rl.kl_target",
                target,
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"in {s.Steps} steps of {s.Episodes} episodes the coefficient can change by {100 * change:0.0} % at most: set rl.kl_horizon to "
                        + $"{Math.Floor(step / (Math.Pow(1 + least, 1.0 / (s.Steps - 1)) - 1))} or less, or rl.kl_target: null"
                )
            );
    }

    private static IEnumerable<SettingsProblem> Detectors(RunSettings settings)
    {
        var detectors = settings.Evaluate.Detectors;
        static SettingsProblem Problem(string key, string what) => new(key, "settings", what);
        if (detectors.Select(d => d.Label).Distinct().Count() != detectors.Count)
            yield return Problem("evaluate.detectors", "a detector is named twice; give each a name of its own");
        if (detectors.Count > 0 && !detectors.Any(d => d.LabelsRollouts))
            yield return Problem("evaluate.detectors", "none labels RL rollouts; expected one that is not a judge, or rollouts: true");
        foreach (var (d, at) in AllDetectors(settings))
        {
            if (d.Kind == "probe" && !at.StartsWith("rl.monitors", StringComparison.Ordinal))
                yield return Problem(at + ".kind", "probe; it reads the policy's hidden states, which only rl.monitors has");
            if (d.Label.Length == 0 || d.Label.Any(c => !char.IsAsciiLetterOrDigit(c) && c is not ('_' or '-' or '.')))
                yield return Problem(at + ".name", $"\"{d.Label}\"; expected letters, digits, _ - .");
            if (d.Kind is "classifier" or "model_judge" && d.Path is null)
                yield return Problem(at + ".path", $"null; a {d.Kind} needs one");
            if (d is { Kind: "model_judge", Votes: 0, Thinking: true })
                yield return Problem(at + ".thinking", "true with votes: 0; the token after a thought is not there to be read, so set votes (and max_tokens)");
            if (d.Kind == "endpoint_judge" && d.Model is null)
                yield return Problem(at + ".model", "null; an endpoint_judge needs the model's name");
            if (d.Kind == "endpoint_judge" && !(Uri.TryCreate(d.Endpoint, UriKind.Absolute, out var uri) && uri.Scheme is ("http" or "https")))
                yield return Problem(at + ".endpoint", $"\"{d.Endpoint}\"; expected an address such as http://localhost:8000/v1");
        }
    }
}
