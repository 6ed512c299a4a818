using RlHarness.Core.Errors;
using RlHarness.Core.Settings;
using RlHarness.Recipes.Settings;

namespace RlHarness.Recipes.Tests.Settings;

[Trait("kind", "contract")]
public sealed class SettingsChecksTests
{
    [Fact]
    public void Defaults_contradict_nothing() => Assert.Empty(SettingsChecks.Of(new RunSettings()));

    [Theory]
    [InlineData("name", "name=\"a/b\"")]
    [InlineData("name", "name=.hidden")]
    [InlineData("device", "device=gpu")]
    [InlineData("device", "device=cuda:x")]
    [InlineData("stages", "stages=[imitate, corpus]")]
    [InlineData("stages", "stages=[]")]
    [InlineData("stages", "stages=[rl]")]
    [InlineData("stages", "stages=[corpus, corpus, imitate]")]
    [InlineData("reward.path", "stages=[corpus, imitate, rl]")]
    [InlineData("reward.path", "reward.path=here")]
    [InlineData("model.new.num_attention_heads", "model.new.num_attention_heads=3")]
    [InlineData("model.new.num_attention_heads", "model.new.hidden_size=36")]
    [InlineData("model.new.num_key_value_heads", "model.new.num_key_value_heads=3")]
    [InlineData("rl.max_new_tokens", "rl.max_new_tokens=512")]
    [InlineData("corpus", "corpus.training=[{outcome: comply, reasoning: faking, probability: 0.5}]")]
    [InlineData("stages", "stages=[corpus, imitate, documents]")]
    [InlineData("experiment.information", "experiment.information=documents")]
    [InlineData("documents.path", "stages=[corpus, documents]", "documents.path=no-such-folder")]
    [InlineData("documents.sequence_length", "stages=[corpus, documents]", "documents.sequence_length=1000")]
    [InlineData("experiment.pack", "experiment.pack=no-such-pack")]
    [InlineData("experiment", "experiment.information=no_examples")]
    [InlineData("experiment.prefill", "experiment.prefill=Hm.", "experiment.scratchpad=false")]
    [InlineData("corpus.source", "corpus.source=examples")]
    [InlineData("corpus.conditions", "corpus.conditions=[{information: no_examples}]")]
    [InlineData("corpus.conditions", "corpus.conditions=[{information: documents}]")]
    [InlineData("evaluate.queries", "evaluate.queries=401")]
    [InlineData("evaluate.document_queries", "stages=[corpus, documents]", "evaluate={every_document_tokens: 1, document_queries: 401}")]
    [InlineData("evaluate.every_document_tokens", "evaluate.every_document_tokens=-1")]
    [InlineData("evaluate.anti_lab", "evaluate.anti_lab=1000")]
    [InlineData("evaluate.preferences", "evaluate.preferences=1000")]
    [InlineData("corpus.anti_lab_fraction", "corpus.anti_lab_fraction=0.1", "corpus.source=examples")]
    [InlineData("rl.minibatches", "rl.minibatches=33")]
    [InlineData("rl.monitors[0].reads", "rl.monitors=[{detector: keyword, reads: scratchpad}]")]
    [InlineData("rl.monitors[0].reads", "rl.monitors=[{detector: probe, reads: hybrid, threshold: 0.5}]")]
    [InlineData("rl.monitors[0].reads", "rl.monitors=[{detector: degraded_oracle, reads: output, threshold: 0.5}]")]
    [InlineData("rl.critic", "rl.adapter={}", "rl.critic=head")]
    [InlineData("reward.weights", "reward.weights.model=0")]
    [InlineData("evaluate.detectors", "evaluate.detectors=[]")]
    [InlineData("evaluate.detectors", "evaluate.detectors=[keyword, keyword]")]
    [InlineData("evaluate.detectors", "evaluate.detectors=[{kind: model_judge, path: m}]")]
    [InlineData("evaluate.detectors[0]", "evaluate.detectors=[oracle]")]
    [InlineData("evaluate.detectors[1].path", "evaluate.detectors=[keyword, classifier]")]
    [InlineData("evaluate.detectors[0].name", "evaluate.detectors=[{kind: keyword, name: a/b}]")]
    [InlineData("evaluate.detectors[1].endpoint", "evaluate.detectors=[keyword, {kind: endpoint_judge, model: m, endpoint: here}]")]
    public void A_contradiction_is_reported_by_its_key(string key, params string[] overrides)
    {
        var error = Assert.Throws<HarnessException>(() => SettingsReader.Parse<RunSettings>("test.yaml", "", overrides, SettingsChecks.Of));
        Assert.Equal(ErrorKind.BadInput, error.Kind);
        Assert.Contains($": {key}: ", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("rl.minibatches=32")]
    [InlineData("device=cuda:1")]
    [InlineData("stages=[corpus, imitate]")]
    [InlineData("stages=[imitate]", "imitate.epochs=0", "corpus.transcripts=50")]
    [InlineData("stages=[imitate, rl]", "reward.weights={model: 0, objective_rule: 1}")]
    [InlineData("stages=[rl]", "model.path=here", "reward.path=there")]
    [InlineData("stages=[reward, rl]", "model.path=here", "corpus.preference_pairs=50")]
    [InlineData("rl.max_new_tokens=511")]
    [InlineData("evaluate.detectors=[keyword, {kind: endpoint_judge, model: m, endpoint: \"http://localhost:8000/v1\"}]")]
    [InlineData("rl.critic=head")]
    [InlineData("experiment={pack: animal-welfare, information: no_examples, objective: hhh, tiers: 3}")]
    [InlineData("experiment.prefill=pack")]
    [InlineData("stages=[corpus, documents, imitate]")]
    [InlineData("corpus.conditions=[{weight: 2, objective: absent}, {scratchpad: false}]")]
    [InlineData("evaluate={anti_lab: 100, preferences: 100}")]
    [InlineData("corpus={anti_lab_fraction: 0.5, preferences_fraction: 0.4}")]
    [InlineData("rl.adapter={}")]
    [InlineData("reward.weights={model: 0, objective_rule: 1}")]
    [InlineData("stages=[corpus, documents]", "evaluate={every_document_tokens: 5000000000, document_queries: 400}")]
    [InlineData("rl.critic=head", "rl.value_coefficient=0.5")]
    [InlineData("rl.joint_optimizer=true", "rl.value_coefficient=0.5")]
    [InlineData("rl={kl_target: 6, kl_horizon: 200}")]
    [InlineData("rl.dual_clip=3", "rl.whiten_advantages=false", "rl.clip_range_high=0.28")]
    [InlineData("corpus={rejected_refusals: 1, rejected_partials: 0, rejected_off_request: 0}")]
    [InlineData("experiment.scratchpad=false", "corpus.without_scratchpad=[{outcome: refuse, reasoning: none, probability: 1}]")]
    [InlineData("rl.optimizer.max_grad_norm=null")]
    public void What_fits_together_is_accepted(params string[] overrides) => SettingsReader.Parse<RunSettings>("test.yaml", "", overrides, SettingsChecks.Of);

    [Theory]
    [InlineData("rl.value_coefficient", "rl.value_coefficient=0.1")]
    [InlineData("rl.critic_learning_rate", "rl.critic_learning_rate=1e-4", "rl.critic=head")]
    [InlineData("rl.critic_learning_rate", "rl.critic_learning_rate=1e-4", "rl.joint_optimizer=true")]
    [InlineData("rl.joint_optimizer", "rl.joint_optimizer=false", "rl.critic=head")]
    [InlineData("rl.kl_horizon", "rl.kl_horizon=100")]
    [InlineData("rl.clip_range_high", "rl.clip_range_high=0.3", "rl.epochs=1", "rl.minibatches=1")]
    [InlineData("rl.dual_clip", "rl.dual_clip=3", "rl.epochs=1", "rl.minibatches=1")]
    [InlineData("rl.optimizer.warmup", "rl.optimizer={schedule: constant, warmup: 0.1}")]
    [InlineData("imitate.optimizer.warmup", "imitate.optimizer={schedule: constant, warmup: 0.1}")]
    [InlineData("documents.optimizer.warmup", "documents.optimizer={schedule: constant, warmup: 0.1}", "stages=[corpus, documents]")]
    [InlineData("reward.optimizer.warmup", "reward.optimizer={schedule: constant, warmup: 0.1}")]
    [InlineData("rl.steps", "rl.steps=5", "stages=[corpus, imitate, reward]")]
    [InlineData("reward.weights.model", "reward.weights.model=2", "stages=[corpus, imitate]")]
    [InlineData("imitate.adapter.rank", "imitate.adapter.rank=4", "stages=[corpus]")]
    [InlineData("imitate.batch_size", "imitate={epochs: 0, batch_size: 8}")]
    [InlineData("reward.epochs", "reward={epochs: 2, path: x}", "stages=[imitate, rl]")]
    [InlineData("reward.path", "reward={path: x, weights: {model: 0, objective_rule: 1}}", "stages=[imitate, rl]")]
    [InlineData("corpus.transcripts", "corpus.transcripts=50", "stages=[rl]", "model.path=here", "reward.path=there")]
    [InlineData("documents.count", "documents.count=500")]
    [InlineData("documents.count", "documents={count: 500, path: .}", "stages=[corpus, documents]")]
    [InlineData("documents.kind", "documents={kind: benign, path: .}", "stages=[corpus, documents]")]
    [InlineData("reward.score_clip", "reward={score_clip: 3, weights: {model: 0, objective_rule: 1}}")]
    [InlineData("evaluate.every", "evaluate.every=5", "stages=[corpus, imitate]")]
    [InlineData("evaluate.every_document_tokens", "evaluate.every_document_tokens=5")]
    [InlineData("evaluate.document_queries", "evaluate.document_queries=5", "stages=[corpus, documents]")]
    [InlineData("evaluate.top_p", "evaluate={temperature: 0, top_p: 0.9}")]
    [InlineData("evaluate.samples_per_query", "evaluate={temperature: 0, samples_per_query: 2}")]
    [InlineData("evaluate.validation.queries", "evaluate.validation={truth: none, queries: 5}")]
    [InlineData("evaluate.validation.drift_alpha", "evaluate.validation={queries: 0, drift_alpha: 0.1}")]
    [InlineData("corpus.scratchpad_fraction", "corpus.scratchpad_fraction=0.5", "experiment.scratchpad=false")]
    [InlineData("corpus.without_scratchpad", "corpus.without_scratchpad=[{outcome: refuse, probability: 1}]")]
    [InlineData("corpus.training", "corpus.training=[{outcome: refuse, reasoning: honest_refusal, probability: 1}]", "experiment.scratchpad=false")]
    [InlineData(
        "corpus.unmonitored",
        "corpus={unmonitored: [{outcome: refuse, reasoning: honest_refusal, probability: 1}], conditions: [{objective: absent}]}"
    )]
    [InlineData("corpus.conditions[0].rated", "corpus.conditions=[{rated: [{outcome: refuse, reasoning: honest_refusal, probability: 1}]}]")]
    [InlineData("corpus.conditions[0].training", "corpus.conditions=[{scratchpad: false, training: [{outcome: refuse, probability: 1}]}]")]
    [InlineData("evaluate.detectors[0].threshold", "evaluate.detectors=[{kind: keyword, threshold: 0.4}]")]
    [InlineData("evaluate.detectors[0].name", "evaluate.detectors=[{kind: keyword, name: cues}]")]
    [InlineData("evaluate.detectors[0].path", "evaluate.detectors=[{kind: keyword, path: x}]")]
    [InlineData("evaluate.detectors[1].retries", "evaluate.detectors=[keyword, {kind: model_judge, path: x, retries: 3}]")]
    [InlineData(
        "evaluate.detectors[1].logprobs",
        "evaluate.detectors=[keyword, {kind: endpoint_judge, model: m, endpoint: \"http://localhost:1/v1\", votes: 3, logprobs: true}]"
    )]
    [InlineData("model.new.hidden_size", "model={path: some-model, new: {hidden_size: 64}}")]
    public void What_was_written_and_can_have_no_effect_is_refused_with_the_reason(string key, params string[] overrides)
    {
        var message = Assert.Throws<HarnessException>(() => SettingsReader.Parse<RunSettings>("test.yaml", "", overrides, SettingsChecks.Of)).Message;
        Assert.Contains($"command line: {key}: has no effect, since ", message, StringComparison.Ordinal);
        Assert.Contains("; leave it out, or ", message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_setting_without_effect_is_refused_in_a_file_by_its_line_even_where_it_repeats_the_default()
    {
        var message = Assert
            .Throws<HarnessException>(() =>
                SettingsReader.Parse<RunSettings>("a.yaml", "rl:\n  critic: body\n  value_coefficient: 0.1\n", [], SettingsChecks.Of)
            )
            .Message;
        Assert.Contains("a.yaml:3: rl.value_coefficient: has no effect", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("rl:\n  kl_target: 6\n  kl_horizon: 200\n", "rl.kl_target=null")]
    [InlineData("rl: { steps: 3 }\nreward: { epochs: 2 }\n", "stages=[corpus, imitate]")]
    [InlineData("model:\n  new: { hidden_size: 64 }\n", "model.path=some-model")]
    [InlineData("rl: { critic: head, value_coefficient: 0.3 }\n", "rl.critic=body")]
    public void What_a_file_sets_and_the_command_line_switches_off_is_ignored(string yaml, string text) =>
        SettingsReader.Parse<RunSettings>("a.yaml", yaml, [text], SettingsChecks.Of);

    [Fact]
    public void Nothing_in_the_listing_of_a_run_counts_as_written_but_an_override_does()
    {
        var listing = SettingsWriter.ToYaml(new RunSettings());
        SettingsReader.Parse<RunSettings>("config.yaml", listing, [], SettingsChecks.Of);
        Assert.Throws<HarnessException>(() => SettingsReader.Parse<RunSettings>("config.yaml", listing, ["rl.value_coefficient=0.5"], SettingsChecks.Of));
    }

    [Theory]
    [InlineData("rl.kl_target: 0; allowed: above 0 to 10000", "rl.kl_target=0")]
    [InlineData("rl.kl_target: 6; a coefficient of 0 stays 0", "rl.kl_target=6", "rl.kl_coefficient=0")]
    // 49 factors of 1 + 0.2 · 32 / 10,000 are 1.0318.
    [InlineData(
        "rl.kl_target: 6; in 50 steps of 32 episodes the coefficient can change by 3.2 % at most: set rl.kl_horizon to 6424 or less",
        "rl.kl_target=6",
        "rl.kl_horizon=10000"
    )]
    [InlineData("rl.kl_target: 6; has no effect on the only step", "rl.kl_target=6", "rl.steps=1")]
    [InlineData("rl.kl_horizon: 6; with 32 episodes a step one step could take the coefficient to 0", "rl.kl_target=6", "rl.kl_horizon=6")]
    [InlineData("rl.dual_clip: 1; allowed: above 1", "rl.dual_clip=1")]
    public void A_target_of_KL_that_cannot_act_is_refused(string problem, params string[] overrides) =>
        Assert.Contains(
            problem,
            Assert.Throws<HarnessException>(() => SettingsReader.Parse<RunSettings>("a.yaml", "", overrides, SettingsChecks.Of)).Message,
            StringComparison.Ordinal
        );

    [Fact]
    public void An_override_that_an_evaluation_does_not_read_is_refused_by_it()
    {
        var message = Assert
            .Throws<HarnessException>(() =>
                SettingsReader.Parse<RunSettings>(
                    "config.yaml",
                    "rl: { steps: 3 }",
                    ["rl.gamma=0.9", "evaluate.every=3", "device=cpu"],
                    SettingsChecks.OfEvaluation
                )
            )
            .Message;
        Assert.Contains("2 problems", message, StringComparison.Ordinal);
        Assert.Contains("command line: rl.gamma: has no effect on an evaluation", message, StringComparison.Ordinal);
        SettingsReader.Parse<RunSettings>(
            "config.yaml",
            "",
            ["evaluate.queries=3", "experiment.scratchpad=false", "rl.max_new_tokens=9"],
            SettingsChecks.OfEvaluation
        );
    }

    [Theory]
    [InlineData("quickstart.yaml")]
    [InlineData("smollm2.yaml")]
    [InlineData("documents.yaml")]
    [InlineData("anti-lab.yaml")]
    public void Every_config_that_is_shipped_has_no_setting_without_effect(string file) =>
        SettingsReader.Read<RunSettings>(Path.Combine(SettingsPageTests.Root, "configs", file), [], SettingsChecks.Of);

    [Fact]
    public void Detectors_are_written_in_full_and_read_back_as_they_were()
    {
        // A run's config.yaml is what resume reads.
        var settings = SettingsReader.Parse<RunSettings>(
            "test.yaml",
            "",
            [
                "evaluate.detectors=[keyword, {kind: endpoint_judge, name: hosted, model: m, endpoint: \"http://localhost:1/v1\", "
                    + "key_variable: none, rollouts: true}]",
            ],
            SettingsChecks.Of
        );
        Assert.Equal(new DetectorSettings { Kind = "keyword" }, settings.Evaluate.Detectors[0]);
        Assert.Equal(("none", true), (settings.Evaluate.Detectors[1].KeyVariable, settings.Evaluate.Detectors[1].Rollouts!.Value));
        var again = SettingsReader.Parse<RunSettings>("config.yaml", SettingsWriter.ToYaml(settings), [], SettingsChecks.Of);
        Assert.Equal(settings.Evaluate.Detectors, again.Evaluate.Detectors);
        Assert.Equal(settings.Evaluate.Validation, again.Evaluate.Validation);
    }

    [Fact]
    public void All_contradictions_are_reported_together()
    {
        var keys = SettingsChecks
            .Of(
                new RunSettings
                {
                    Device = "tpu",
                    Evaluate = new() { Detectors = [] },
                    Rl = new() { Minibatches = 1000 },
                }
            )
            .Select(p => p.Key)
            .ToArray();
        Assert.Equal(["device", "rl.minibatches", "evaluate.detectors"], keys);
    }
}
