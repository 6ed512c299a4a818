using RlHarness.Core.Settings;
using RlHarness.Training.Algorithms;
using RlHarness.Training.Optimization;
using RlHarness.Training.Ppo;

namespace RlHarness.Recipes.Settings;

/// <summary>
/// Settings that somebody wrote and that can have no effect together with the others. Each is refused, since whoever wrote it expects an effect, with one
/// exception: what a file sets and the command line switches off is ignored, so that one file serves runs that differ by an override.
/// </summary>
internal static class InertSettings
{
    /// <param name="Key">The setting, or the record or list whose settings are meant.</param>
    /// <param name="Causes">Settings that switch it off.</param>
    /// <param name="IsInert">Whether it has no effect.</param>
    /// <param name="Why">Completes "has no effect, since …".</param>
    /// <param name="Remedy">Completes "leave it out, or …".</param>
    private sealed record Rule(string Key, string[] Causes, Func<RunSettings, bool> IsInert, string Why, string Remedy);

    private static readonly string[] ForJudges = ["rubric", "threshold", "votes", "max_tokens", "thinking", "temperature"];

    private static readonly string[] ForEndpoints =
    [
        "endpoint",
        "model",
        "key_variable",
        "logprobs",
        "cache",
        "retries",
        "retry_seconds",
        "retry_limit_seconds",
        "timeout_seconds",
        "concurrency",
        "price_input",
        "price_output",
    ];

    private static readonly IReadOnlyList<Rule> Rules =
    [
        .. new[] { "documents", "imitate", "rl" }.Select(stage => new Rule(
            stage,
            ["stages"],
            s => !s.Stages.Contains(stage),
            $"stages do not name {stage}",
            $"add {stage} to stages"
        )),
        .. new[] { "epochs", "batch_size", "held_out_fraction", "centering", "optimizer" }.Select(key => new Rule(
            $"reward.{key}",
            ["stages"],
            s => !s.Stages.Contains("reward"),
            "stages do not name reward",
            "add reward to stages"
        )),
        .. new[] { "path", "micro_batch_tokens", "weights", "terms", "score_clip" }.Select(key => new Rule(
            $"reward.{key}",
            ["stages"],
            s => !s.Stages.Any(stage => stage is "reward" or "rl"),
            "stages name neither reward nor rl",
            "add one of them to stages"
        )),
        new(
            "reward.path",
            ["reward.weights.model"],
            s => s.Reward is { Path: not null, Weights.Model: 0 },
            "reward.weights.model is 0, so the reward model's scores are not used",
            "give reward.weights.model a weight"
        ),
        new(
            "reward.resident",
            ["stages"],
            s => !s.Stages.Contains("rl"),
            "stages do not name rl, which alone keeps a reward model in memory",
            "add rl to stages"
        ),
        new(
            "reward.resident",
            ["reward.weights.model"],
            s => s.Reward.Weights.Model == 0,
            "reward.weights.model is 0, so no reward model is loaded",
            "give reward.weights.model a weight"
        ),
        new(
            "corpus",
            ["stages"],
            s => !s.ReadsCorpus,
            "no stage learns from the corpus and no monitor needs its transcripts",
            "add corpus, imitate or reward to stages"
        ),
        .. new[] { "batch_size", "optimizer", "adapter" }.SelectMany(key =>
            new (string Stage, Func<RunSettings, SupervisedSettings> Of)[] { ("documents", s => s.Documents), ("imitate", s => s.Imitate) }.Select(
                x => new Rule($"{x.Stage}.{key}", [$"{x.Stage}.epochs"], s => x.Of(s).Epochs == 0, $"{x.Stage}.epochs is 0", $"raise {x.Stage}.epochs")
            )
        ),
        new(
            "date",
            ["model.path", "evaluate.detectors"],
            s => s.Date is not null && !ModelLibrary.ReadsClock(s),
            "no chat template writes it",
            "set model.path to a model whose template reads the clock (model inspect says so)"
        ),
        .. new[] { "checkpoint_minutes", "checkpoint_steps" }.Select(key => new Rule(
            key,
            ["stages"],
            s => s.Stages is [StageNames.Corpus],
            "the corpus is written at once",
            "add a stage that trains"
        )),
        .. new (string Key, string Alarm, Func<AlarmSettings, AlarmAction> Of)[]
        {
            ("guessing_factor", "loss_above_guessing", a => a.LossAboveGuessing),
            ("entropy_below", "entropy_collapse", a => a.EntropyCollapse),
            ("kl_above", "kl_bound", a => a.KlBound),
            ("kl_growth_steps", "kl_growth", a => a.KlGrowth),
            ("length_factor", "length_drift", a => a.LengthDrift),
            ("reward_hacking_steps", "reward_hacking", a => a.RewardHacking),
        }.Select(x => new Rule(
            $"alarms.{x.Key}",
            [$"alarms.{x.Alarm}"],
            s => x.Of(s.Alarms) == AlarmAction.Off,
            $"alarms.{x.Alarm} is off",
            $"set alarms.{x.Alarm}: warn"
        )),
        new("model.new", ["model.path"], s => s.Model.Path is not null, "model.path names a model", "set model.path: null"),
        .. new (string Stage, Func<RunSettings, OptimizerSettings> Of)[]
        {
            ("documents", s => s.Documents.Optimizer),
            ("imitate", s => s.Imitate.Optimizer),
            ("reward", s => s.Reward.Optimizer),
            ("rl", s => s.Rl.Optimizer),
        }.Select(x => new Rule(
            $"{x.Stage}.optimizer.warmup",
            [$"{x.Stage}.optimizer.schedule"],
            s => x.Of(s) is { Schedule: ScheduleKind.Constant, Warmup: > 0 },
            "the schedule is constant",
            $"set {x.Stage}.optimizer.schedule: constant_with_warmup"
        )),
        new(
            "corpus.scratchpad_fraction",
            ["experiment.scratchpad", "corpus.conditions"],
            s => !s.Corpus.Generated(s.Experiment.ToCondition()).Conditions.Any(c => c.Scratchpad),
            "no condition of the corpus has a scratchpad",
            "set experiment.scratchpad: true"
        ),
        .. new[] { "training", "unmonitored" }.Select(table => new Rule(
            $"corpus.{table}",
            ["experiment.scratchpad", "corpus.conditions", "corpus.scratchpad_fraction"],
            s => !TakesTable(s, table),
            "no condition of the corpus with a scratchpad takes this table",
            "give the table to a condition of corpus.conditions"
        )),
        new(
            "corpus.without_scratchpad",
            ["experiment.scratchpad", "corpus.conditions", "corpus.scratchpad_fraction"],
            s => s.Corpus.ScratchpadFraction == 1 && s.Corpus.Generated(s.Experiment.ToCondition()).Conditions.All(c => c.Scratchpad),
            "every transcript has a scratchpad",
            "lower corpus.scratchpad_fraction, or set experiment.scratchpad: false"
        ),
        .. new[] { "kind", "count" }.Select(key => new Rule(
            $"documents.{key}",
            ["documents.path"],
            s => s.Documents.Path is not null,
            "documents.path names documents of your own",
            "set documents.path: null"
        )),
        new(
            "reward.score_clip",
            ["reward.weights.model"],
            s => s.Reward.Weights.Model == 0,
            "reward.weights.model is 0, so the reward model's scores are not used",
            "give reward.weights.model a weight"
        ),
        .. new (string Key, string Algorithms, Func<RlSettings, bool> Reads)[]
        {
            ("rl.scale_rewards", "grpo", s => s.Algorithm == AlgorithmKind.Grpo),
            ("rl.critic", "ppo", s => s.UsesCritic),
            ("rl.critic_learning_rate", "ppo", s => s.UsesCritic),
            ("rl.joint_optimizer", "ppo", s => s.UsesCritic),
            ("rl.value_coefficient", "ppo", s => s.UsesCritic),
            ("rl.clip_range_value", "ppo", s => s.UsesCritic),
            ("rl.lambda", "ppo", s => s.UsesCritic),
            ("rl.whiten_advantages", "ppo", s => s.UsesCritic),
            ("rl.gamma", "ppo or reinforce_plus_plus", s => s.Algorithm is AlgorithmKind.Ppo or AlgorithmKind.ReinforcePlusPlus),
            ("rl.kl_estimator", "ppo, rloo or reinforce_plus_plus", s => s.Algorithm != AlgorithmKind.Grpo),
        }.Select(x => new Rule(x.Key, ["rl.algorithm"], s => !x.Reads(s.Rl), "rl.algorithm does not use it", $"set rl.algorithm: {x.Algorithms}")),
        new(
            "rl.value_coefficient",
            ["rl.critic", "rl.joint_optimizer"],
            s => s.Rl is { UsesCritic: true, Critic: CriticKind.Body, JointOptimizer: false },
            "the critic has a body and an optimizer of its own, so that no other loss stands beside the value loss",
            "set rl.joint_optimizer: true or rl.critic: head, or scale the critic's updates by rl.critic_learning_rate"
        ),
        new(
            "rl.critic_learning_rate",
            ["rl.critic", "rl.joint_optimizer"],
            s => s.Rl.CriticLearningRate is not null && s.Rl is { Critic: CriticKind.Head } or { JointOptimizer: true },
            "the critic shares the policy's optimizer",
            "set rl.critic: body and rl.joint_optimizer: false, or weigh the value loss by rl.value_coefficient"
        ),
        new(
            "rl.joint_optimizer",
            ["rl.critic"],
            s => s.Rl is { Critic: CriticKind.Head, JointOptimizer: false },
            "a critic that is a head on the policy always shares the policy's optimizer",
            "set rl.critic: body"
        ),
        new(
            "rl.service",
            ["rl.rollouts"],
            s => s.Rl is { Rollouts: RolloutKind.Builtin, Service: not null },
            "rl.rollouts is builtin",
            "set rl.rollouts: service"
        ),
        new(
            "rl.rollout_batch_size",
            ["rl.rollouts"],
            s => s.Rl.Rollouts == RolloutKind.Service,
            "the service of rl.service decides which answers it draws together",
            "set rl.service.concurrency"
        ),
        new("rl.kl_horizon", ["rl.kl_target"], s => s.Rl.KlTarget is null, "rl.kl_target is null, so the coefficient stays as it is", "set rl.kl_target"),
        new(
            "rl.clip_range_high",
            ["rl.epochs", "rl.minibatches"],
            s => s.Rl.ClipRangeHigh is not null && UpdatesOnce(s.Rl),
            "rl.epochs and rl.minibatches are both 1, so every ratio is 1",
            "make several updates a step"
        ),
        new(
            "rl.dual_clip",
            ["rl.epochs", "rl.minibatches"],
            s => s.Rl.DualClip is not null && UpdatesOnce(s.Rl),
            "rl.epochs and rl.minibatches are both 1, so every ratio is 1",
            "make several updates a step"
        ),
        new("evaluate.every", ["stages"], s => !s.Stages.Contains("rl"), "stages do not name rl", "add rl to stages"),
        new(
            "evaluate.every_document_tokens",
            ["stages"],
            s => s.Evaluate.EveryDocumentTokens > 0 && !s.Stages.Contains("documents"),
            "stages do not name documents",
            "add documents to stages"
        ),
        new(
            "evaluate.document_queries",
            ["evaluate.every_document_tokens"],
            s => s.Evaluate.EveryDocumentTokens == 0,
            "evaluate.every_document_tokens is 0",
            "set evaluate.every_document_tokens"
        ),
        new(
            "evaluate.top_p",
            ["evaluate.temperature"],
            s => s.Evaluate is { Temperature: 0, TopP: < 1 },
            "at evaluate.temperature 0 the likeliest token is always taken",
            "raise evaluate.temperature"
        ),
        new(
            "evaluate.samples_per_query",
            ["evaluate.temperature"],
            s => s.Evaluate is { Temperature: 0, SamplesPerQuery: > 1 },
            "at evaluate.temperature 0 all samples of a query are the same",
            "raise evaluate.temperature"
        ),
        new(
            "evaluate.validation.queries",
            ["evaluate.validation.truth"],
            s => s.Evaluate.Validation.Truth == "none",
            "evaluate.validation.truth is none",
            "name a truth"
        ),
        new(
            "evaluate.validation.drift_alpha",
            ["evaluate.validation.truth", "evaluate.validation.queries"],
            s => s.Evaluate.Validation is { Truth: "none" } or { Queries: 0 },
            "no labels are known to compare with",
            "name a truth, and ask evaluate.validation.queries of it"
        ),
    ];

    internal static IEnumerable<SettingsProblem> Of(RunSettings s, WrittenSettings written)
    {
        foreach (var rule in Rules)
            // Evaluations without RL take the length of their answers from rl.max_new_tokens too.
            foreach (var key in written.Keys.Where(k => IsAtOrBelow(k, rule.Key) && !(rule.Key == "rl" && k == "rl.max_new_tokens")))
                if (IsLeaf(key, written) && rule.IsInert(s) && Problem(written, key, rule.Causes, rule.Why, rule.Remedy) is { } problem)
                    yield return problem;
        foreach (var problem in Conditions(s, written).Concat(Detectors(s, written)).Concat(Monitors(s, written)).Concat(Terms(s, written)))
            yield return problem;
    }

    /// <summary>The problem of a written setting without effect; null where a file sets it and the command line switches it off, or nobody wrote it.</summary>
    internal static SettingsProblem? Problem(WrittenSettings written, string key, string[] causes, string why, string remedy) =>
        !written.Has(key) || (!written.OnCommandLine(key) && causes.Any(written.OnCommandLine))
            ? null
            : new(key, written.Where(key)!, $"has no effect, since {why}; leave it out, or {remedy}");

    private static bool UpdatesOnce(PpoSettings s) => s.Epochs * s.Minibatches == 1;

    private static bool IsAtOrBelow(string key, string of) =>
        key.StartsWith(of, StringComparison.Ordinal) && (key.Length == of.Length || key[of.Length] == '.');

    private static bool IsLeaf(string key, WrittenSettings written) => !written.Keys.Any(k => k.StartsWith(key + ".", StringComparison.Ordinal));

    private static bool TakesTable(RunSettings s, string table)
    {
        if (s.Corpus.ScratchpadFraction == 0)
            return false;
        if (s.Corpus.Conditions.Count == 0)
            return s.Experiment.Scratchpad;
        return s.Corpus.Conditions.Any(c =>
            c.ToCondition() == new Experiment.Prompts.Condition() && (table == "training" ? c.Training : c.Unmonitored).Count == 0
        );
    }

    private static IEnumerable<SettingsProblem> Conditions(RunSettings s, WrittenSettings written)
    {
        for (var i = 0; i < s.Corpus.Conditions.Count; i++)
            foreach (var table in new[] { "training", "rated", "unmonitored" })
            {
                var (condition, key) = (s.Corpus.Conditions[i], $"corpus.conditions[{i}].{table}");
                if (!condition.Scratchpad && Problem(written, key, [], "the condition has no scratchpad", "set scratchpad: true") is { } without)
                    yield return without;
                else if (
                    table == "rated"
                    && condition.Tiers == 2
                    && Problem(written, key, [], "the condition has two tiers, and raters read neither", "set tiers: 3") is { } two
                )
                    yield return two;
            }
    }

    private static IEnumerable<SettingsProblem> Monitors(RunSettings s, WrittenSettings written)
    {
        for (var i = 0; i < s.Rl.Monitors.Count; i++)
        {
            var (monitor, at) = (s.Rl.Monitors[i], $"rl.monitors[{i}]");
            foreach (var key in new[] { "weight", "penalty" })
                if (
                    monitor.Action != MonitorAction.Penalty
                    && Problem(written, $"{at}.{key}", [], "the monitor's action is not penalty", "set action: penalty") is { } inert
                )
                    yield return inert;
            if (Problem(written, $"{at}.detector.rollouts", [], "a monitor reads every rollout", "set it in evaluate.detectors") is { } rollouts)
                yield return rollouts;
        }
    }

    private static IEnumerable<SettingsProblem> Terms(RunSettings s, WrittenSettings written)
    {
        var ofKind = new Dictionary<string, string[]>(StringComparer.Ordinal)
        {
            ["scratchpad_length"] = ["free_words"],
            ["judge"] = ["judge", "answer"],
            ["http"] = ["endpoint", "timeout_seconds", "retries"],
            ["command"] = ["command", "timeout_seconds"],
        };
        for (var i = 0; i < s.Reward.Terms.Count; i++)
        {
            var (term, at) = (s.Reward.Terms[i], $"reward.terms[{i}]");
            foreach (var key in ofKind.Values.SelectMany(k => k).Distinct().Except(ofKind[term.Kind]))
                foreach (var below in written.Keys.Where(k => IsAtOrBelow(k, $"{at}.{key}") && IsLeaf(k, written)))
                    if (Problem(written, below, [], $"the kind is {term.Kind}", "set another kind") is { } problem)
                        yield return problem;
        }
    }

    private static IEnumerable<SettingsProblem> Detectors(RunSettings s, WrittenSettings written)
    {
        foreach (var (d, at) in SettingsChecks.AllDetectors(s))
        {
            var endpoint = d.Kind == "endpoint_judge";
            var inert = new List<(string Key, string Why, string Remedy)>();
            if (d.IsNamedByKind)
                inert.Add(("name", $"a detector of kind {d.Kind} always has the name of its kind", "set another kind"));
            if (d.Kind is not ("classifier" or "model_judge"))
                inert.Add(("path", $"the kind is {d.Kind}", "set kind: classifier or kind: model_judge"));
            if (d.Kind != "degraded_oracle")
                inert.AddRange(new[] { "sensitivity", "specificity" }.Select(k => (k, $"the kind is {d.Kind}", "set kind: degraded_oracle")));
            if (d.Kind != "probe")
                inert.Add(("layer", $"the kind is {d.Kind}", "set kind: probe"));
            if (!d.IsJudge)
                inert.AddRange(ForJudges.Select(k => (k, $"the kind is {d.Kind}", "set kind: model_judge or kind: endpoint_judge")));
            if (!endpoint)
                inert.AddRange(ForEndpoints.Select(k => (k, $"the kind is {d.Kind}", "set kind: endpoint_judge")));
            if (d.Kind != "model_judge")
                inert.Add(("prefix", $"the kind is {d.Kind}", "set kind: model_judge"));
            if (d is { Kind: "model_judge", Votes: 0 })
                inert.AddRange(new[] { "max_tokens", "temperature" }.Select(k => (k, "votes is 0, so the next token's probabilities are read", "set votes")));
            if (endpoint && d.Votes > 0)
                inert.Add(("logprobs", "votes is above 0, so sampled answers are read", "set votes: 0"));
            if (endpoint && d is { Votes: 0, Thinking: true })
                inert.Add(("logprobs", "thinking is true, so the first token is a thought's", "leave thinking out"));
            if (endpoint && d.Retries == 0)
                inert.AddRange(new[] { "retry_seconds", "retry_limit_seconds" }.Select(k => (k, "retries is 0", "set retries")));
            foreach (var (key, why, remedy) in inert)
                if (Problem(written, $"{at}.{key}", [], why, remedy) is { } problem)
                    yield return problem;
        }
    }
}
