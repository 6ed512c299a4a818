using RlHarness.Formats.Tokenizers;
using RlHarness.Models.Decoders;
using RlHarness.Models.Families;
using RlHarness.Models.Loading;
using RlHarness.Recipes.Running;
using RlHarness.Recipes.Settings;

namespace RlHarness.Recipes.Stages;

/// <summary>The model that a run starts from.</summary>
internal static class BaseModel
{
    private const string EndOfTurn = "<|im_end|>";
    private const string ChatMl =
        "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% "
        + "endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

    /// <summary>Loads the named model, or makes a new one: a tokenizer trained on the corpus, weights drawn from the seed.</summary>
    public static LoadedModel Open(RunContext run, CorpusStage.Corpus corpus, bool requiresGrad = true)
    {
        if (run.Settings.Model.Path is { } path)
        {
            var model = ModelLoader.Load(ModelLibrary.Find(path), run.Device, requiresGrad: requiresGrad);
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
