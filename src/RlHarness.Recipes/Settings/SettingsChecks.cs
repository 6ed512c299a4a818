using RlHarness.Core.Settings;

namespace RlHarness.Recipes.Settings;

/// <summary>What single values can't show: contradictions between settings.</summary>
public static class SettingsChecks
{
    private static readonly string[] Order = ["corpus", "imitate", "reward", "rl"];

    public static IEnumerable<SettingsProblem> Of(RunSettings s)
    {
        SettingsProblem Problem(string key, string what) => new(key, "settings", what);
        if (string.IsNullOrWhiteSpace(s.Name) || s.Name.IndexOfAny(Path.GetInvalidFileNameChars()) >= 0 || s.Name.StartsWith('.'))
            yield return Problem("name", $"\"{s.Name}\"; expected a name that can be a folder's");
        if (s.Device is not ("auto" or "cpu" or "cuda") && !(s.Device.StartsWith("cuda:", StringComparison.Ordinal) && int.TryParse(s.Device.AsSpan(5), out _)))
            yield return Problem("device", $"\"{s.Device}\"; allowed: auto, cpu, cuda, cuda:n");
        var stages = s.Stages.Where((name, i) => !(name == "documents" && i == 1)).ToArray();
        if (!stages.SequenceEqual(Order.Take(stages.Length)))
            yield return Problem(
                "stages",
                $"[{string.Join(", ", s.Stages)}]; each stage needs those before it: a beginning of [{string.Join(", ", Order)}], with documents after corpus or without"
            );
        if (s.Stages.Count == 0)
            yield return Problem("stages", "empty; expected at least corpus");
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

        foreach (var problem in PackChecks.Of(s))
            yield return problem;
        if (s.Rl.Minibatches > s.Rl.PromptsPerStep * s.Rl.SamplesPerPrompt)
            yield return Problem("rl.minibatches", $"{s.Rl.Minibatches}; more than the {s.Rl.PromptsPerStep * s.Rl.SamplesPerPrompt} episodes of a step");
        if (s.Rl.Adapter is not null && s.Rl.Critic == CriticKind.Head)
            yield return Problem("rl.critic", "head; with rl.adapter the critic needs a body of its own (critic: body)");
        var w = s.Reward.Weights;
        if (s.Stages.Contains("rl") && w.Model + w.ObjectiveRule == 0)
            yield return Problem("reward.weights", "model and objective_rule are both 0; the objective needs one of them");
        if (s.Evaluate.Detectors.Count == 0)
            yield return Problem("evaluate.detectors", "empty; expected at least one detector");
        foreach (var problem in Detectors(s.Evaluate.Detectors))
            yield return problem;
    }

    private static IEnumerable<SettingsProblem> Detectors(IReadOnlyList<DetectorSettings> detectors)
    {
        static SettingsProblem Problem(string key, string what) => new(key, "settings", what);
        if (detectors.Select(d => d.Label).Distinct().Count() != detectors.Count)
            yield return Problem("evaluate.detectors", "a detector is named twice; give each a name of its own");
        if (detectors.Count > 0 && !detectors.Any(d => d.LabelsRollouts))
            yield return Problem("evaluate.detectors", "none labels RL rollouts; expected one that is not a judge, or rollouts: true");
        for (var i = 0; i < detectors.Count; i++)
        {
            var (d, at) = (detectors[i], $"evaluate.detectors[{i}]");
            if (d.Label.Length == 0 || d.Label.Any(c => !char.IsAsciiLetterOrDigit(c) && c is not ('_' or '-' or '.')))
                yield return Problem(at + ".name", $"\"{d.Label}\"; expected letters, digits, _ - .");
            if (d.Kind is "classifier" or "model_judge" && d.Path is null)
                yield return Problem(at + ".path", $"null; a {d.Kind} needs one");
            if (d.Kind == "endpoint_judge" && d.Model is null)
                yield return Problem(at + ".model", "null; an endpoint_judge needs the model's name");
            if (d.Kind == "endpoint_judge" && !(Uri.TryCreate(d.Endpoint, UriKind.Absolute, out var uri) && uri.Scheme is ("http" or "https")))
                yield return Problem(at + ".endpoint", $"\"{d.Endpoint}\"; expected an address such as http://localhost:8000/v1");
        }
    }
}
