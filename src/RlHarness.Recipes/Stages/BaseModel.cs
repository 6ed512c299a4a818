using RlHarness.Core.Errors;
using RlHarness.Models.Decoders;
using RlHarness.Models.Families;
using RlHarness.Models.Loading;
using RlHarness.Models.Tokenizers;
using RlHarness.Recipes.Running;
using RlHarness.Recipes.Settings;
using TorchSharp;

namespace RlHarness.Recipes.Stages;

/// <summary>The model that a run starts from.</summary>
public static class BaseModel
{
    public const string ModelsVariable = "RLHARNESS_MODELS";
    private const string EndOfTurn = "<|im_end|>";
    private const string ChatMl =
        "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

    /// <summary>The place of a model that settings name: the path itself, or below RLHARNESS_MODELS or ../shared/models.</summary>
    /// <exception cref="HarnessException">It is nowhere; the message lists where it was looked for.</exception>
    public static string Find(string path)
    {
        var roots = new[] { "", Environment.GetEnvironmentVariable(ModelsVariable) ?? "", Path.Combine("..", "shared", "models") };
        var places = roots.Select((r, i) => i > 0 && r.Length == 0 ? null : Path.Combine(r, path)).OfType<string>().Distinct().ToArray();
        return places.FirstOrDefault(Path.Exists)
            ?? throw new HarnessException(
                ExitCode.BadFile,
                $"model {path} is not there",
                $"nothing at {string.Join(", ", places)}",
                "a Hugging Face folder or a GGUF file",
                $"set {ModelsVariable} to the folder that holds your models, or model.path to a path"
            );
    }

    /// <summary>Something that changes when the model's files do, for cache keys.</summary>
    public static string Identity(RunSettings settings)
    {
        if (settings.Model.Path is null)
            return "new";
        var path = Find(settings.Model.Path);
        var files = File.Exists(path) ? [path] : Directory.GetFiles(path).Order(StringComparer.Ordinal).ToArray();
        return string.Join(";", files.Select(f => $"{Path.GetFileName(f)}:{new FileInfo(f).Length}:{File.GetLastWriteTimeUtc(f).Ticks}"));
    }

    /// <summary>Loads the named model, or makes a new one: a tokenizer trained on the corpus, weights drawn from the seed.</summary>
    public static LoadedModel Open(RunContext run, CorpusStage.Corpus corpus, bool requiresGrad = true)
    {
        if (run.Settings.Model.Path is { } path)
        {
            var model = ModelLoader.Load(Find(path), run.Device, requiresGrad: requiresGrad);
            run.Configure(model.Decoder);
            return model;
        }

        var shape = run.Settings.Model.New;
        var tokenizer = BpeTrainer.Train(
            corpus.Texts,
            shape.VocabSize,
            ["<|pad|>", "<|im_start|>", EndOfTurn, "<scratchpad>", "</scratchpad>", "<output>", "</output>"],
            ChatMl,
            eosToken: EndOfTurn,
            padToken: "<|pad|>"
        );
        var config = NewConfig(shape, tokenizer.VocabularySize) with { EosTokenIds = [tokenizer.RequireId(EndOfTurn)], PadTokenId = tokenizer.PadId };
        var decoder = new Decoder(config, run.Device, requiresGrad: true);
        run.Configure(decoder);
        Initialization.Normal(decoder, shape.InitializerRange, run.Seeds.For("initialise"));
        var family = DecoderFamilies.Find("llama")!;
        return new LoadedModel(decoder, family, ModelSaver.ConfigJson(config, family), tokenizer, "new model") { StopIds = config.EosTokenIds };
    }

    /// <summary>Configuration of a new model: a Llama of the shape that settings give, with tied embeddings.</summary>
    public static DecoderConfig NewConfig(NewModelSettings shape, int vocabulary) =>
        new()
        {
            ModelType = "llama",
            VocabSize = vocabulary,
            HiddenSize = shape.HiddenSize,
            IntermediateSize = shape.IntermediateSize,
            NumHiddenLayers = shape.NumHiddenLayers,
            NumAttentionHeads = shape.NumAttentionHeads,
            NumKeyValueHeads = shape.NumKeyValueHeads,
            HeadDim = shape.HiddenSize / shape.NumAttentionHeads,
            TieWordEmbeddings = true,
            MaxPositionEmbeddings = shape.MaxPositionEmbeddings,
            Rope = new RopeSettings { RopeTheta = 10000 },
        };
}
