using RlHarness.Core.Settings;

namespace RlHarness.Recipes.Settings;

/// <summary>What single values can't show: contradictions between settings.</summary>
public static class SettingsChecks
{
    private static readonly string[] Order = ["corpus", "imitate", "reward", "rl"];

    public static IEnumerable<SettingsProblem> Of(RunSettings s)
    {
        SettingsProblem Problem(string key, string what) => new(key, "settings", what);
        if (string.IsNullOrWhiteSpace(s.Name) || s.Name.IndexOfAny(Path.GetInvalidFileNameChars()) >= 0 || s.Name.StartsWith('.')) yield return Problem("name", $"\"{s.Name}\"; expected a name that can be a folder's");
        if (s.Device is not ("auto" or "cpu" or "cuda") && !(s.Device.StartsWith("cuda:", StringComparison.Ordinal) && int.TryParse(s.Device.AsSpan(5), out _))) yield return Problem("device", $"\"{s.Device}\"; allowed: auto, cpu, cuda, cuda:n");
        var stages = s.Stages.Where((name, i) => !(name == "documents" && i == 1)).ToArray();
        if (!stages.SequenceEqual(Order.Take(stages.Length))) yield return Problem("stages", $"[{string.Join(", ", s.Stages)}]; each stage needs those before it: a beginning of [{string.Join(", ", Order)}], with documents after corpus or without");
        if (s.Stages.Count == 0) yield return Problem("stages", "empty; expected at least corpus");
        if (s.Model.Path is null)
        {
            var n = s.Model.New;
            if (n.HiddenSize % n.NumAttentionHeads != 0 || n.HiddenSize / n.NumAttentionHeads % 2 != 0) yield return Problem("model.new.num_attention_heads", $"{n.NumAttentionHeads}; hidden_size {n.HiddenSize} must be an even multiple of it");
            if (n.NumAttentionHeads % n.NumKeyValueHeads != 0) yield return Problem("model.new.num_key_value_heads", $"{n.NumKeyValueHeads}; must divide num_attention_heads {n.NumAttentionHeads}");
            if (s.Rl.MaxNewTokens >= n.MaxPositionEmbeddings) yield return Problem("rl.max_new_tokens", $"{s.Rl.MaxNewTokens}; must leave room for the prompt in max_position_embeddings {n.MaxPositionEmbeddings}");
        }

        foreach (var problem in PackChecks.Of(s)) yield return problem;
        if (s.Rl.Minibatches > s.Rl.PromptsPerStep * s.Rl.SamplesPerPrompt) yield return Problem("rl.minibatches", $"{s.Rl.Minibatches}; more than the {s.Rl.PromptsPerStep * s.Rl.SamplesPerPrompt} episodes of a step");
        if (s.Rl.Adapter is not null && s.Rl.Critic == CriticKind.Head) yield return Problem("rl.critic", "head; with rl.adapter the critic needs a body of its own (critic: body)");
        var w = s.Reward.Weights;
        if (s.Stages.Contains("rl") && w.Model + w.ObjectiveRule == 0) yield return Problem("reward.weights", "model and objective_rule are both 0; the objective needs one of them");
        if (s.Evaluate.Detectors.Count == 0) yield return Problem("evaluate.detectors", "empty; expected at least one detector");
        if (s.Evaluate.Detectors.Distinct().Count() != s.Evaluate.Detectors.Count) yield return Problem("evaluate.detectors", "a detector is named twice");
    }
}
