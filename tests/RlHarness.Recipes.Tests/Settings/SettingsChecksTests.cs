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
    [InlineData("stages", "stages=[imitate, rl]")]
    [InlineData("stages", "stages=[imitate, corpus]")]
    [InlineData("stages", "stages=[]")]
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
    [InlineData("evaluate.document_queries", "evaluate={every_document_tokens: 1, document_queries: 401}")]
    [InlineData("evaluate.every_document_tokens", "evaluate.every_document_tokens=-1")]
    [InlineData("evaluate.anti_lab", "evaluate.anti_lab=1000")]
    [InlineData("evaluate.preferences", "evaluate.preferences=1000")]
    [InlineData("corpus.anti_lab_fraction", "corpus.anti_lab_fraction=0.1", "corpus.source=examples")]
    [InlineData("rl.minibatches", "rl.minibatches=33")]
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
    [InlineData("rl.max_new_tokens=511")]
    [InlineData("evaluate.detectors=[keyword, {kind: endpoint_judge, model: m, endpoint: \"http://localhost:8000/v1\"}]")]
    [InlineData("rl.critic=head")]
    [InlineData("experiment={pack: animal-welfare, information: no_examples, objective: hhh, tiers: 3}")]
    [InlineData("experiment.prefill=pack")]
    [InlineData("stages=[corpus, documents, imitate]")]
    [InlineData("evaluate={every_document_tokens: 5000000000, document_queries: 400}")]
    [InlineData("corpus.conditions=[{weight: 2, objective: absent}, {scratchpad: false}]")]
    [InlineData("evaluate={anti_lab: 100, preferences: 100}")]
    [InlineData("corpus={anti_lab_fraction: 0.5, preferences_fraction: 0.4}")]
    [InlineData("rl.adapter={}")]
    [InlineData("reward.weights={model: 0, objective_rule: 1}")]
    public void What_fits_together_is_accepted(string text) => SettingsReader.Parse<RunSettings>("test.yaml", "", [text], SettingsChecks.Of);

    [Fact]
    public void Detectors_are_written_in_full_and_read_back_as_they_were()
    {
        // A run's config.yaml is what resume reads.
        var settings = SettingsReader.Parse<RunSettings>(
            "test.yaml",
            "",
            [
                "evaluate.detectors=[keyword, {kind: endpoint_judge, name: hosted, model: m, endpoint: \"http://localhost:1/v1\", key_variable: none, rollouts: true}]",
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
