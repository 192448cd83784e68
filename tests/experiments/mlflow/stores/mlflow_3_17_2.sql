-- Written by MLflow 3.17.2 (SqlAlchemyStore); only the tables of runs. @ROOT@ stands for its folder.
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE "runs" (
	run_uuid VARCHAR(32) NOT NULL, 
	name VARCHAR(250), 
	source_type VARCHAR(20), 
	source_name VARCHAR(500), 
	entry_point_name VARCHAR(50), 
	user_id VARCHAR(256), 
	status VARCHAR(9), 
	start_time BIGINT, 
	end_time BIGINT, 
	source_version VARCHAR(50), 
	lifecycle_stage VARCHAR(20), 
	artifact_uri VARCHAR(200), 
	experiment_id INTEGER, deleted_time BIGINT, 
	CONSTRAINT run_pk PRIMARY KEY (run_uuid), 
	CONSTRAINT runs_lifecycle_stage CHECK (lifecycle_stage IN ('active', 'deleted')), 
	CONSTRAINT source_type CHECK (source_type IN ('NOTEBOOK', 'JOB', 'LOCAL', 'UNKNOWN', 'PROJECT')), 
	FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id), 
	CHECK (status IN ('SCHEDULED', 'FAILED', 'FINISHED', 'RUNNING', 'KILLED'))
);
CREATE TABLE "latest_metrics" (
	"key" VARCHAR(250) NOT NULL, 
	value FLOAT NOT NULL, 
	timestamp BIGINT, 
	step BIGINT NOT NULL, 
	is_nan BOOLEAN NOT NULL, 
	run_uuid VARCHAR(32) NOT NULL, 
	CONSTRAINT latest_metric_pk PRIMARY KEY ("key", run_uuid), 
	FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid), 
	CHECK (is_nan IN (0, 1))
);
CREATE TABLE "metrics" (
	"key" VARCHAR(250) NOT NULL, 
	value FLOAT NOT NULL, 
	timestamp BIGINT NOT NULL, 
	run_uuid VARCHAR(32) NOT NULL, 
	step BIGINT DEFAULT '0' NOT NULL, 
	is_nan BOOLEAN DEFAULT '0' NOT NULL, 
	CONSTRAINT metric_pk PRIMARY KEY ("key", timestamp, step, run_uuid, value, is_nan), 
	FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid), 
	CHECK (is_nan IN (0, 1))
);
CREATE INDEX index_metrics_run_uuid ON metrics (run_uuid);
CREATE INDEX index_latest_metrics_run_uuid ON latest_metrics (run_uuid);
CREATE TABLE inputs (
	input_uuid VARCHAR(36) NOT NULL, 
	source_type VARCHAR(36) NOT NULL, 
	source_id VARCHAR(36) NOT NULL, 
	destination_type VARCHAR(36) NOT NULL, 
	destination_id VARCHAR(36) NOT NULL, step BIGINT DEFAULT '0' NOT NULL, 
	CONSTRAINT inputs_pk PRIMARY KEY (source_type, source_id, destination_type, destination_id)
);
CREATE INDEX index_inputs_input_uuid ON inputs (input_uuid);
CREATE INDEX index_inputs_destination_type_destination_id_source_type ON inputs (destination_type, destination_id, source_type);
CREATE TABLE input_tags (
	input_uuid VARCHAR(36) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	value VARCHAR(500) NOT NULL, 
	CONSTRAINT input_tags_pk PRIMARY KEY (input_uuid, name)
);
CREATE TABLE "params" (
	"key" VARCHAR(250) NOT NULL, 
	value VARCHAR(8000) NOT NULL, 
	run_uuid VARCHAR(32) NOT NULL, 
	CONSTRAINT param_pk PRIMARY KEY ("key", run_uuid), 
	FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid)
);
CREATE INDEX index_params_run_uuid ON params (run_uuid);
CREATE TABLE "tags" (
	"key" VARCHAR(250) NOT NULL, 
	value VARCHAR(8000), 
	run_uuid VARCHAR(32) NOT NULL, 
	CONSTRAINT tag_pk PRIMARY KEY ("key", run_uuid), 
	FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid)
);
CREATE INDEX index_tags_run_uuid ON tags (run_uuid);
CREATE TABLE "datasets" (
	dataset_uuid VARCHAR(36) NOT NULL, 
	experiment_id INTEGER NOT NULL, 
	name VARCHAR(500) NOT NULL, 
	digest VARCHAR(36) NOT NULL, 
	dataset_source_type VARCHAR(36) NOT NULL, 
	dataset_source TEXT NOT NULL, 
	dataset_schema TEXT, 
	dataset_profile TEXT, 
	CONSTRAINT dataset_pk PRIMARY KEY (experiment_id, name, digest), 
	CONSTRAINT fk_datasets_experiment_id_experiments FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id) ON DELETE CASCADE
);
CREATE INDEX index_datasets_dataset_uuid ON datasets (dataset_uuid);
CREATE INDEX index_datasets_experiment_id_dataset_source_type ON datasets (experiment_id, dataset_source_type);
CREATE TABLE logged_models (
	model_id VARCHAR(36) NOT NULL, 
	experiment_id INTEGER NOT NULL, 
	name VARCHAR(500) NOT NULL, 
	artifact_location VARCHAR(1000) NOT NULL, 
	creation_timestamp_ms BIGINT NOT NULL, 
	last_updated_timestamp_ms BIGINT NOT NULL, 
	status INTEGER NOT NULL, 
	lifecycle_stage VARCHAR(32), 
	model_type VARCHAR(500), 
	source_run_id VARCHAR(32), 
	status_message VARCHAR(1000), 
	CONSTRAINT logged_models_pk PRIMARY KEY (model_id), 
	CONSTRAINT logged_models_lifecycle_stage_check CHECK (lifecycle_stage IN ('active', 'deleted')), 
	CONSTRAINT fk_logged_models_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id) ON DELETE CASCADE
);
CREATE TABLE logged_model_metrics (
	model_id VARCHAR(36) NOT NULL, 
	metric_name VARCHAR(500) NOT NULL, 
	metric_timestamp_ms BIGINT NOT NULL, 
	metric_step BIGINT NOT NULL, 
	metric_value FLOAT, 
	experiment_id INTEGER NOT NULL, 
	run_id VARCHAR(32) NOT NULL, 
	dataset_uuid VARCHAR(36), 
	dataset_name VARCHAR(500), 
	dataset_digest VARCHAR(36), 
	CONSTRAINT logged_model_metrics_pk PRIMARY KEY (model_id, metric_name, metric_timestamp_ms, metric_step, run_id), 
	CONSTRAINT fk_logged_model_metrics_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id), 
	CONSTRAINT fk_logged_model_metrics_model_id FOREIGN KEY(model_id) REFERENCES logged_models (model_id) ON DELETE CASCADE, 
	CONSTRAINT fk_logged_model_metrics_run_id FOREIGN KEY(run_id) REFERENCES runs (run_uuid) ON DELETE CASCADE
);
CREATE INDEX index_logged_model_metrics_model_id ON logged_model_metrics (model_id);
CREATE TABLE logged_model_params (
	model_id VARCHAR(36) NOT NULL, 
	experiment_id INTEGER NOT NULL, 
	param_key VARCHAR(255) NOT NULL, 
	param_value TEXT NOT NULL, 
	CONSTRAINT logged_model_params_pk PRIMARY KEY (model_id, param_key), 
	CONSTRAINT fk_logged_model_params_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id), 
	CONSTRAINT fk_logged_model_params_model_id FOREIGN KEY(model_id) REFERENCES logged_models (model_id) ON DELETE CASCADE
);
CREATE TABLE logged_model_tags (
	model_id VARCHAR(36) NOT NULL, 
	experiment_id INTEGER NOT NULL, 
	tag_key VARCHAR(255) NOT NULL, 
	tag_value TEXT NOT NULL, 
	CONSTRAINT logged_model_tags_pk PRIMARY KEY (model_id, tag_key), 
	CONSTRAINT fk_logged_model_tags_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id), 
	CONSTRAINT fk_logged_model_tags_model_id FOREIGN KEY(model_id) REFERENCES logged_models (model_id) ON DELETE CASCADE
);
CREATE TABLE "experiments" (
	experiment_id INTEGER NOT NULL, 
	name VARCHAR(256) NOT NULL, 
	artifact_location VARCHAR(256), 
	lifecycle_stage VARCHAR(32), 
	creation_time BIGINT, 
	last_update_time BIGINT, 
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
	CONSTRAINT experiment_pk PRIMARY KEY (experiment_id), 
	CONSTRAINT experiments_lifecycle_stage CHECK (lifecycle_stage IN ('active', 'deleted')), 
	CONSTRAINT uq_experiments_workspace_name UNIQUE (workspace, name)
);
CREATE INDEX index_metrics_run_uuid_key_step ON metrics (run_uuid, "key", step);
CREATE TABLE "experiment_tags" (
	"key" VARCHAR(250) NOT NULL, 
	value TEXT, 
	experiment_id INTEGER NOT NULL, 
	CONSTRAINT experiment_tag_pk PRIMARY KEY ("key", experiment_id), 
	FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id)
);
INSERT INTO alembic_version (version_num) VALUES ('dc11669786a5');
INSERT INTO experiments (experiment_id,name,artifact_location,lifecycle_stage,creation_time,last_update_time,workspace) VALUES (0,'Default','@ROOT@/mlruns/0','active',1795230103447,1795230103447,'default');
INSERT INTO experiments (experiment_id,name,artifact_location,lifecycle_stage,creation_time,last_update_time,workspace) VALUES (1,'bank','@ROOT@/mlruns/1','active',1795230103449,1795230103449,'default');
INSERT INTO experiments (experiment_id,name,artifact_location,lifecycle_stage,creation_time,last_update_time,workspace) VALUES (2,'old tries','@ROOT@/mlruns/2','deleted',1795230103454,1795230110628,'default');
INSERT INTO experiment_tags (key,value,experiment_id) VALUES ('team','risk',1);
INSERT INTO experiment_tags (key,value,experiment_id) VALUES ('empty','',1);
INSERT INTO runs (run_uuid,name,source_type,source_name,entry_point_name,user_id,status,start_time,end_time,source_version,lifecycle_stage,artifact_uri,experiment_id,deleted_time) VALUES ('518c30a91c90451abce081c84cd9ab34','first','UNKNOWN','','','ada','FINISHED',1795230103504,1795230110347,'','active','@ROOT@/mlruns/1/518c30a91c90451abce081c84cd9ab34/artifacts',1,NULL);
INSERT INTO runs (run_uuid,name,source_type,source_name,entry_point_name,user_id,status,start_time,end_time,source_version,lifecycle_stage,artifact_uri,experiment_id,deleted_time) VALUES ('c40b22bfbf9a4654bb7eb446deb9fe01','inner','UNKNOWN','','','ada','FINISHED',1795230103667,1795230103715,'','active','@ROOT@/mlruns/1/c40b22bfbf9a4654bb7eb446deb9fe01/artifacts',1,NULL);
INSERT INTO runs (run_uuid,name,source_type,source_name,entry_point_name,user_id,status,start_time,end_time,source_version,lifecycle_stage,artifact_uri,experiment_id,deleted_time) VALUES ('a67cb3ce47174977aef8223c0fa69e68','second','UNKNOWN','','','ada','FAILED',1795230110367,1795230110419,'','active','@ROOT@/mlruns/1/a67cb3ce47174977aef8223c0fa69e68/artifacts',1,NULL);
INSERT INTO runs (run_uuid,name,source_type,source_name,entry_point_name,user_id,status,start_time,end_time,source_version,lifecycle_stage,artifact_uri,experiment_id,deleted_time) VALUES ('608607b579d548f995c68de36317d7b0','thrown away','UNKNOWN','','','ada','FINISHED',1795230110443,1795230110491,'','deleted','@ROOT@/mlruns/1/608607b579d548f995c68de36317d7b0/artifacts',1,1795230110512);
INSERT INTO runs (run_uuid,name,source_type,source_name,entry_point_name,user_id,status,start_time,end_time,source_version,lifecycle_stage,artifact_uri,experiment_id,deleted_time) VALUES ('668aa8e4c7c24409b6d3d392d2f1b42e','ambitious-bass-868','UNKNOWN','','','unknown','KILLED',1795230110530,1795230110554,'','active','@ROOT@/mlruns/1/668aa8e4c7c24409b6d3d392d2f1b42e/artifacts',1,NULL);
INSERT INTO runs (run_uuid,name,source_type,source_name,entry_point_name,user_id,status,start_time,end_time,source_version,lifecycle_stage,artifact_uri,experiment_id,deleted_time) VALUES ('a6f066df946443f78b22053d510a1484','victorious-hound-894','UNKNOWN','','','unknown','FINISHED',1795230110578,1795230110602,'','deleted','@ROOT@/mlruns/2/a6f066df946443f78b22053d510a1484/artifacts',2,1795230110630);
INSERT INTO runs (run_uuid,name,source_type,source_name,entry_point_name,user_id,status,start_time,end_time,source_version,lifecycle_stage,artifact_uri,experiment_id,deleted_time) VALUES ('f4b1bbad4d20425aabdc481cadcfb068','youthful-snake-257','UNKNOWN','','','unknown','RUNNING',1795230110650,NULL,'','active','@ROOT@/mlruns/0/f4b1bbad4d20425aabdc481cadcfb068/artifacts',0,NULL);
INSERT INTO params (key,value,run_uuid) VALUES ('lr','0.1','518c30a91c90451abce081c84cd9ab34');
INSERT INTO params (key,value,run_uuid) VALUES ('epochs','3','518c30a91c90451abce081c84cd9ab34');
INSERT INTO params (key,value,run_uuid) VALUES ('loss','hinge','518c30a91c90451abce081c84cd9ab34');
INSERT INTO params (key,value,run_uuid) VALUES ('long','xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx','518c30a91c90451abce081c84cd9ab34');
INSERT INTO metrics (key,value,timestamp,run_uuid,step,is_nan) VALUES ('val/loss',1.0,1700000000000,'518c30a91c90451abce081c84cd9ab34',0,0);
INSERT INTO metrics (key,value,timestamp,run_uuid,step,is_nan) VALUES ('val/loss',0.5,1700000001000,'518c30a91c90451abce081c84cd9ab34',1,0);
INSERT INTO metrics (key,value,timestamp,run_uuid,step,is_nan) VALUES ('val/loss',0.0,1700000002000,'518c30a91c90451abce081c84cd9ab34',2,1);
INSERT INTO metrics (key,value,timestamp,run_uuid,step,is_nan) VALUES ('val/loss',0.25,1700000003000,'518c30a91c90451abce081c84cd9ab34',3,0);
INSERT INTO metrics (key,value,timestamp,run_uuid,step,is_nan) VALUES ('grad',1.7976931348623157e+308,1700000000500,'518c30a91c90451abce081c84cd9ab34',0,0);
INSERT INTO metrics (key,value,timestamp,run_uuid,step,is_nan) VALUES ('grad',-1.7976931348623157e+308,1700000001500,'518c30a91c90451abce081c84cd9ab34',1,0);
INSERT INTO metrics (key,value,timestamp,run_uuid,step,is_nan) VALUES ('grad',2.0,1700000002500,'518c30a91c90451abce081c84cd9ab34',2,0);
INSERT INTO metrics (key,value,timestamp,run_uuid,step,is_nan) VALUES ('q',1.0,1795230103691,'c40b22bfbf9a4654bb7eb446deb9fe01',0,0);
INSERT INTO metrics (key,value,timestamp,run_uuid,step,is_nan) VALUES ('val/loss',0.9,1795230110391,'a67cb3ce47174977aef8223c0fa69e68',0,0);
INSERT INTO metrics (key,value,timestamp,run_uuid,step,is_nan) VALUES ('val/loss',7.0,1795230110463,'608607b579d548f995c68de36317d7b0',0,0);
INSERT INTO latest_metrics (key,value,timestamp,step,is_nan,run_uuid) VALUES ('val/loss',0.25,1700000003000,3,0,'518c30a91c90451abce081c84cd9ab34');
INSERT INTO latest_metrics (key,value,timestamp,step,is_nan,run_uuid) VALUES ('grad',2.0,1700000002500,2,0,'518c30a91c90451abce081c84cd9ab34');
INSERT INTO latest_metrics (key,value,timestamp,step,is_nan,run_uuid) VALUES ('q',1.0,1795230103691,0,0,'c40b22bfbf9a4654bb7eb446deb9fe01');
INSERT INTO latest_metrics (key,value,timestamp,step,is_nan,run_uuid) VALUES ('val/loss',0.9,1795230110391,0,0,'a67cb3ce47174977aef8223c0fa69e68');
INSERT INTO latest_metrics (key,value,timestamp,step,is_nan,run_uuid) VALUES ('val/loss',7.0,1795230110463,0,0,'608607b579d548f995c68de36317d7b0');
INSERT INTO tags (key,value,run_uuid) VALUES ('mlflow.user','ada','518c30a91c90451abce081c84cd9ab34');
INSERT INTO tags (key,value,run_uuid) VALUES ('mlflow.source.name','/home/ada/bank/train.py','518c30a91c90451abce081c84cd9ab34');
INSERT INTO tags (key,value,run_uuid) VALUES ('mlflow.source.type','LOCAL','518c30a91c90451abce081c84cd9ab34');
INSERT INTO tags (key,value,run_uuid) VALUES ('mlflow.runName','first','518c30a91c90451abce081c84cd9ab34');
INSERT INTO tags (key,value,run_uuid) VALUES ('mlflow.user','ada','c40b22bfbf9a4654bb7eb446deb9fe01');
INSERT INTO tags (key,value,run_uuid) VALUES ('mlflow.source.name','/home/ada/bank/train.py','c40b22bfbf9a4654bb7eb446deb9fe01');
INSERT INTO tags (key,value,run_uuid) VALUES ('mlflow.source.type','LOCAL','c40b22bfbf9a4654bb7eb446deb9fe01');
INSERT INTO tags (key,value,run_uuid) VALUES ('mlflow.parentRunId','518c30a91c90451abce081c84cd9ab34','c40b22bfbf9a4654bb7eb446deb9fe01');
INSERT INTO tags (key,value,run_uuid) VALUES ('mlflow.runName','inner','c40b22bfbf9a4654bb7eb446deb9fe01');
INSERT INTO tags (key,value,run_uuid) VALUES ('api_key','k-secret-77','518c30a91c90451abce081c84cd9ab34');
INSERT INTO tags (key,value,run_uuid) VALUES ('mlflow.user','ada','a67cb3ce47174977aef8223c0fa69e68');
INSERT INTO tags (key,value,run_uuid) VALUES ('mlflow.source.name','/home/ada/bank/train.py','a67cb3ce47174977aef8223c0fa69e68');
INSERT INTO tags (key,value,run_uuid) VALUES ('mlflow.source.type','LOCAL','a67cb3ce47174977aef8223c0fa69e68');
INSERT INTO tags (key,value,run_uuid) VALUES ('mlflow.runName','second','a67cb3ce47174977aef8223c0fa69e68');
INSERT INTO tags (key,value,run_uuid) VALUES ('mlflow.user','ada','608607b579d548f995c68de36317d7b0');
INSERT INTO tags (key,value,run_uuid) VALUES ('mlflow.source.name','/home/ada/bank/train.py','608607b579d548f995c68de36317d7b0');
INSERT INTO tags (key,value,run_uuid) VALUES ('mlflow.source.type','LOCAL','608607b579d548f995c68de36317d7b0');
INSERT INTO tags (key,value,run_uuid) VALUES ('mlflow.runName','thrown away','608607b579d548f995c68de36317d7b0');
INSERT INTO tags (key,value,run_uuid) VALUES ('mlflow.runName','ambitious-bass-868','668aa8e4c7c24409b6d3d392d2f1b42e');
INSERT INTO tags (key,value,run_uuid) VALUES ('mlflow.runName','victorious-hound-894','a6f066df946443f78b22053d510a1484');
INSERT INTO tags (key,value,run_uuid) VALUES ('mlflow.runName','youthful-snake-257','f4b1bbad4d20425aabdc481cadcfb068');
INSERT INTO datasets (dataset_uuid,experiment_id,name,digest,dataset_source_type,dataset_source,dataset_schema,dataset_profile) VALUES ('075311ace6f448c88720fc6e18b4e615',1,'rows','c1ce8a1e','code','{"tags": {"mlflow.user": "ada", "mlflow.source.name": "/home/ada/bank/train.py", "mlflow.source.type": "LOCAL"}}','{"mlflow_tensorspec": {"features": "[{\"type\": \"tensor\", \"tensor-spec\": {\"dtype\": \"float64\", \"shape\": [-1, 2]}}]", "targets": "[{\"type\": \"tensor\", \"tensor-spec\": {\"dtype\": \"int64\", \"shape\": [-1]}}]"}}','{"features_shape": [6, 2], "features_size": 12, "features_nbytes": 96, "targets_shape": [6], "targets_size": 6, "targets_nbytes": 48}');
INSERT INTO inputs (input_uuid,source_type,source_id,destination_type,destination_id,step) VALUES ('7dea45f810e44891a10f45aa3b4ec8c2','DATASET','075311ace6f448c88720fc6e18b4e615','RUN','518c30a91c90451abce081c84cd9ab34',0);
INSERT INTO inputs (input_uuid,source_type,source_id,destination_type,destination_id,step) VALUES ('0a52509eb1e24c76a056a88001060fc0','RUN_OUTPUT','518c30a91c90451abce081c84cd9ab34','MODEL_OUTPUT','m-5188484541304a75b3023655be2c16b9',0);
INSERT INTO input_tags (input_uuid,name,value) VALUES ('7dea45f810e44891a10f45aa3b4ec8c2','mlflow.data.context','training');
INSERT INTO logged_models (model_id,experiment_id,name,artifact_location,creation_timestamp_ms,last_updated_timestamp_ms,status,lifecycle_stage,model_type,source_run_id,status_message) VALUES ('m-5188484541304a75b3023655be2c16b9',1,'model','@ROOT@/mlruns/1/models/m-5188484541304a75b3023655be2c16b9/artifacts',1795230105122,1795230110298,2,'active',NULL,'518c30a91c90451abce081c84cd9ab34',NULL);
INSERT INTO logged_model_params (model_id,experiment_id,param_key,param_value) VALUES ('m-5188484541304a75b3023655be2c16b9',1,'C','1.0');
INSERT INTO logged_model_params (model_id,experiment_id,param_key,param_value) VALUES ('m-5188484541304a75b3023655be2c16b9',1,'lr','0.1');
INSERT INTO logged_model_params (model_id,experiment_id,param_key,param_value) VALUES ('m-5188484541304a75b3023655be2c16b9',1,'epochs','3');
INSERT INTO logged_model_params (model_id,experiment_id,param_key,param_value) VALUES ('m-5188484541304a75b3023655be2c16b9',1,'loss','hinge');
INSERT INTO logged_model_params (model_id,experiment_id,param_key,param_value) VALUES ('m-5188484541304a75b3023655be2c16b9',1,'long','xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx');
INSERT INTO logged_model_tags (model_id,experiment_id,tag_key,tag_value) VALUES ('m-5188484541304a75b3023655be2c16b9',1,'mlflow.user','ada');
INSERT INTO logged_model_tags (model_id,experiment_id,tag_key,tag_value) VALUES ('m-5188484541304a75b3023655be2c16b9',1,'mlflow.source.name','/home/ada/bank/train.py');
INSERT INTO logged_model_tags (model_id,experiment_id,tag_key,tag_value) VALUES ('m-5188484541304a75b3023655be2c16b9',1,'mlflow.source.type','LOCAL');
INSERT INTO logged_model_metrics (model_id,metric_name,metric_timestamp_ms,metric_step,metric_value,experiment_id,run_id,dataset_uuid,dataset_name,dataset_digest) VALUES ('m-5188484541304a75b3023655be2c16b9','val/loss',1700000000000,0,1.0,1,'518c30a91c90451abce081c84cd9ab34',NULL,NULL,NULL);
INSERT INTO logged_model_metrics (model_id,metric_name,metric_timestamp_ms,metric_step,metric_value,experiment_id,run_id,dataset_uuid,dataset_name,dataset_digest) VALUES ('m-5188484541304a75b3023655be2c16b9','grad',1700000000500,0,1.7976931348623157e+308,1,'518c30a91c90451abce081c84cd9ab34',NULL,NULL,NULL);
